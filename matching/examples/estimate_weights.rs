//! Estimates weights from an authority's own register and queries, without knowing the right answers.
//!
//! ```sh
//! cargo run --release -p cme-matching --example estimate_weights -- REGISTER QUERIES > weights.json
//! ```
//!
//! Both files have a child on each line, as JSON with the members of `Child`. Some thousand queries are enough.
//! The thresholds stay those of the shipped weights. `link_files` and `Register::set_weights` use the result.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the command line")]

#[path = "shared/lines.rs"]
mod lines;

use std::borrow::Cow;
use std::error::Error;
use std::process::ExitCode;

use cme_matching::estimate::Observations;
use cme_matching::{ChildId, Register, Weights};

/// The second time with rarities that fit the shares of the first.
const PASSES: usize = 2;

fn main() -> ExitCode {
    lines::end(run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [held, asked] = &arguments[..] else {
        return Err("say a file of the register and a file of queries".into());
    };
    let (held, asked) = (lines::children(held)?, lines::children(asked)?);
    let children = (0..).zip(&held).map(|(line, child)| (ChildId(line), Cow::Borrowed(child)));
    let mut weights = Weights::shipped();
    let mut register = Register::build(&weights, children)?;
    let source =
        format!("expectation-maximisation on {} queries to {} children", asked.len(), register.len());
    for _ in 0..PASSES {
        let mut observations = Observations::default();
        observations.add(&register, &asked);
        let estimate = observations.estimate(&weights, &source);
        eprintln!(
            "{} rounds; {:.3} of the children asked for are likely to be here",
            estimate.rounds, estimate.known_share
        );
        weights = estimate.weights;
        register.set_weights(&weights)?;
    }
    print!("{}", weights.to_json());
    Ok(())
}
