-- The API complained: an adaptive scope slows down.
SELECT pacing_slow(%(scope)s)
