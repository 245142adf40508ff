-- A person pauses or resumes the whole fleet.
SELECT fleet_pause(%(paused)s, %(seconds)s, %(who)s, %(reason)s)
