//! The part of the command line that plants bugs. A build without the feature `planted` has none.

#[cfg(feature = "planted")]
mod built {
    use std::process::ExitCode;

    use anyhow::Context as _;
    use chatcluster_protocol::planted::{self, Bug};
    use chatcluster_simulation::bugs::{self, Found};

    /// Seeds that a bug has to be found by.
    const WITHIN: u64 = 500;

    /// Plants a bug in this thread.
    pub(crate) fn plant(name: &str) -> anyhow::Result<()> {
        planted::plant(Some(named(name)?));
        Ok(())
    }

    /// Looks for each bug, or for the one of this name.
    pub(crate) fn find(name: Option<&str>, threads: usize) -> anyhow::Result<ExitCode> {
        let wanted = match name {
            Some(name) => vec![named(name)?],
            None => Bug::ALL.to_vec(),
        };
        let found = bugs::find(&wanted, WITHIN, threads, |bug, found| {
            let how = match found {
                Found::Seed(seed, violation) => format!("seed {seed:>3}  {violation:.100}"),
                Found::Untaken(branches) => {
                    format!("{WITHIN} seeds, none of which took {branches:?}")
                }
                Found::Not => format!("HOLE, not found by {WITHIN} seeds"),
            };
            println!("rule {:>2}  {:<22} {how}", bug.rule(), format!("{bug:?}"));
        });
        let holes = found.iter().filter(|(_, found)| matches!(found, Found::Not));
        let holes: Vec<_> = holes.map(|(bug, _)| *bug).collect();
        println!("\n{} of {} planted bugs were found", found.len() - holes.len(), found.len());
        println!("HOLES: {holes:?}");
        Ok(if holes.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn named(name: &str) -> anyhow::Result<Bug> {
        let known = Bug::ALL.iter().find(|bug| format!("{bug:?}") == name);
        known.copied().with_context(|| format!("--bug {name}: there is no such bug"))
    }
}

#[cfg(not(feature = "planted"))]
mod built {
    use std::process::ExitCode;

    const NONE: &str = "there are no bugs in this build: it lacks the feature `planted`";

    pub(crate) fn plant(_: &str) -> anyhow::Result<()> {
        anyhow::bail!(NONE)
    }

    pub(crate) fn find(_: Option<&str>, _: usize) -> anyhow::Result<ExitCode> {
        anyhow::bail!(NONE)
    }
}

pub(crate) use built::{find, plant};
