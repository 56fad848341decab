"""Results on the screen: the array view, heat maps and shards."""
