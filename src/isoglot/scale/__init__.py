"""A corpus encoded shard by shard and ranked shard by shard, on one machine or on many."""
