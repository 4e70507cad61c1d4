//! The server as a real process, over real mutual TLS, with real files.

mod crash;
mod support;
