//! Conformance program of the CME transfer protocol.
//!
//! It judges by the published artefacts alone: the text, the register of requirements, the `OpenAPI`
//! document and the vectors, all compiled in. It shares no code with any implementation.

mod adapter;
mod cases;
mod command;
mod court;
mod declaration;
mod doctor;
mod draft;
mod encoding;
mod evidence;
mod host;
mod identity;
mod instant;
mod interrupt;
mod json;
mod jws;
mod null;
mod published;
mod reference;
mod report;
mod results;
mod run;
mod self_check;
mod shuffle;
mod stages;
mod tape;
#[cfg(test)]
mod vectors;
mod verdict;
mod wire;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    command::main()
}
