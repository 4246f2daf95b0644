"""A simulation of Isaac Gym or Isaac Sim beside a real hand: one follows the other, by name, through the safety filter.

`gym_link` and this file stay importable by Python 3.6 without any package: a user's Isaac Gym script imports them.
"""
