"""The graph as data: which nodes a robot needs, for the launch files and for `sleight up` alike."""
