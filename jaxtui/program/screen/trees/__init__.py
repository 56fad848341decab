"""Trees on the Map screen: unfolded by path, with a setting at every node."""
