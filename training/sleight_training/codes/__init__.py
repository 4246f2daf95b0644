"""Object codes (ResDex 3.2): a PointNet's answer to an object's surface, and the objects at the centres of clusters."""
