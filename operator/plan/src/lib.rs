//! Decisions of the operator on the Redis Cluster: plan(picture, goal) gives at most one step. No I/O, no kube, no tokio.
