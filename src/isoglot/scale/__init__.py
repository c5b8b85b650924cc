"""A corpus encoded shard by shard, on one machine or on many."""
