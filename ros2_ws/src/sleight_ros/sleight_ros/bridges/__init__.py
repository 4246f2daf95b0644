"""Between the safety filter and the controllers of a robot: adapters and state sources, chosen by a profile."""
