-- A person opens, closes or resets a scope.
SELECT breaker_force(%(scope)s, %(verb)s, %(seconds)s, %(who)s, %(reason)s)
