"""Fakes of the robots' own drivers around the simulated hand: a bridge meets here first what it meets on a robot."""
