//! Client library with automatic reconnect, and the chat command.
