"""`sleight demo`: the whole graph on one machine, scored and shown."""
