//! A server that answers as Azure does, from files: the vendor's own example answers, with paging, quota and refusals.
//!
//! No emulator has Azure's management plane. This one is small and generic: routes with bodies, tables of Resource
//! Graph with rows, and faults. What it says comes from the files of a world, and not from code.

mod graph;
mod server;
mod token;
mod world;

pub use server::Server;
pub use world::{Asked, Fault, Reply, World};
