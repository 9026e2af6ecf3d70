//! The message service: a repository of messages, gRPC for gateways, HTTP for backends.
