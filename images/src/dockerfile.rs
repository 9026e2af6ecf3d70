//! The Dockerfiles that need no container to be built: `FROM scratch`, and what only copies files or
//! describes how containers start. Everything else is an error that names its line.
//! (Format: Dockerfile reference, docs.docker.com/reference/dockerfile.)

use std::{collections::BTreeMap, str::FromStr};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

/// What a Dockerfile says.
#[derive(Debug, Default)]
pub struct Dockerfile {
    /// How containers start.
    pub config: Config,
    /// What is in the image, in order.
    pub copies: Vec<Copy>,
}

/// How containers of an image start, as the `config` of an OCI image has it (image-spec, config.md).
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Config {
    /// User and group, by number.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// `NAME=value`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// The program, and arguments before those of a pod.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// The arguments where a pod has none, or the program where there is no entrypoint.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
    /// Where the program starts.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// What the image says of itself.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// A COPY.
#[derive(Debug, PartialEq, Eq)]
pub struct Copy {
    /// Where it is written.
    pub line: usize,
    /// Files and folders of the build's context.
    pub sources: Vec<String>,
    /// An absolute path; a folder if it ends with a slash.
    pub destination: String,
}

impl FromStr for Dockerfile {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut found = Self::default();
        let mut base = false;
        for (line, instruction) in instructions(text) {
            let (word, rest) =
                instruction.split_once(char::is_whitespace).unwrap_or((&instruction, ""));
            let word = word.to_ascii_uppercase();
            ensure!(
                base || word == "FROM",
                "line {line}: the first instruction has to be FROM scratch"
            );
            base = true;
            found
                .apply(line, &word, rest.trim())
                .with_context(|| format!("line {line}: {word}"))?;
        }
        ensure!(base, "there is no FROM scratch");
        Ok(found)
    }
}

impl Dockerfile {
    fn apply(&mut self, line: usize, word: &str, rest: &str) -> Result<()> {
        let config = &mut self.config;
        match word {
            "FROM" => ensure!(rest == "scratch", "only scratch can be built on, not {rest:?}"),
            "COPY" => self.copies.push(Copy::parse(line, rest)?),
            "ENV" => {
                let (name, value) = assignment(rest)?;
                config.env.retain(|old| !old.starts_with(&format!("{name}=")));
                config.env.push(format!("{name}={value}"));
            }
            "LABEL" => {
                let (name, value) = assignment(rest)?;
                config.labels.insert(name, value);
            }
            "USER" => config.user = user(rest)?,
            "WORKDIR" => config.working_dir = absolute(rest)?,
            "ENTRYPOINT" => config.entrypoint = list(rest)?,
            "CMD" => config.cmd = list(rest)?,
            _ => bail!(
                "not one of the instructions that are built here: FROM, COPY, ENV, LABEL, USER, WORKDIR, ENTRYPOINT, CMD"
            ),
        }
        Ok(())
    }
}

impl Copy {
    fn parse(line: usize, rest: &str) -> Result<Self> {
        ensure!(!rest.starts_with("--"), "flags are not built here: {rest:?}");
        ensure!(!rest.starts_with('['), "write the paths as words, not as a list");
        ensure!(
            !rest.contains(['*', '?', '$']),
            "wildcards and variables are not built here: {rest:?}"
        );
        let mut sources: Vec<_> = rest.split_whitespace().map(str::to_owned).collect();
        let destination = sources.pop().unwrap_or_default();
        ensure!(!sources.is_empty(), "a source and a destination are needed, not {rest:?}");
        let destination = absolute(&destination)?;
        ensure!(
            sources.len() == 1 || destination.ends_with('/'),
            "several files go into a folder: {destination:?} has to end with a slash"
        );
        Ok(Self { line, sources, destination })
    }
}

/// Each instruction with the number of its first line: comments are gone, continued lines joined.
fn instructions(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut continued = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (part, goes_on) = line.strip_suffix('\\').map_or((line, false), |part| (part, true));
        match found.last_mut() {
            Some((_, instruction)) if continued => {
                instruction.push(' ');
                instruction.push_str(part.trim());
            }
            _ => found.push((index + 1, part.trim().to_owned())),
        }
        continued = goes_on;
    }
    found
}

/// `name=value` or `name="value"`, one an instruction.
fn assignment(text: &str) -> Result<(String, String)> {
    let wanted = || format!("one NAME=value or NAME=\"value\" is needed, not {text:?}");
    let (name, value) = text.split_once('=').with_context(wanted)?;
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let fits = !name.is_empty() && !name.contains(char::is_whitespace);
    ensure!(fits && (quoted.is_some() || !value.contains(char::is_whitespace)), wanted());
    let value = quoted.unwrap_or(value);
    ensure!(
        !value.contains(['"', '\\', '$']),
        "quotes, backslashes and variables are not built here: {text:?}"
    );
    Ok((name.to_owned(), value.to_owned()))
}

/// By number: a name would need a file of users, and `runAsNonRoot` cannot judge it.
fn user(text: &str) -> Result<String> {
    let numbers = text.splitn(2, ':').all(|part| part.parse::<u32>().is_ok());
    ensure!(numbers, "numbers are needed, UID or UID:GID, not {text:?}");
    Ok(text.to_owned())
}

fn absolute(path: &str) -> Result<String> {
    ensure!(
        path.starts_with('/') && !path.contains(char::is_whitespace),
        "an absolute path is needed, not {path:?}"
    );
    Ok(path.to_owned())
}

/// A JSON list: the other form needs a shell in the image.
fn list(text: &str) -> Result<Vec<String>> {
    serde_json::from_str(text)
        .with_context(|| format!("a JSON list of words is needed, not {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_our_definitions_say_is_read() {
        let file: Dockerfile = r#"
            # syntax of others
            FROM scratch
            LABEL org.opencontainers.image.title="A title"
            copy one two \
              # in between
              three /bin/
            ENV PATH=/bin
            ENV PATH=/usr/bin
            USER 65532:65532
            WORKDIR /data
            ENTRYPOINT ["one", "-v"]
            CMD ["serve"]
        "#
        .parse()
        .unwrap();
        let sources = ["one", "two", "three"].map(str::to_owned).to_vec();
        assert_eq!(file.copies, [Copy { line: 5, sources, destination: "/bin/".into() }]);
        let config = serde_json::to_string(&file.config).unwrap();
        let expected = concat!(
            r#"{"User":"65532:65532","Env":["PATH=/usr/bin"],"Entrypoint":["one","-v"],"Cmd":["serve"],"#,
            r#""WorkingDir":"/data","Labels":{"org.opencontainers.image.title":"A title"}}"#,
        );
        assert_eq!(config, expected);
    }

    #[test]
    fn what_cannot_be_built_is_refused_with_its_line() {
        for (text, line, why) in [
            ("", None, "FROM scratch"),
            ("# only a comment", None, "FROM scratch"),
            ("USER 1\nFROM scratch", Some(1), "first"),
            ("FROM debian", Some(1), "debian"),
            ("FROM scratch\n\nRUN true", Some(3), "RUN"),
            ("FROM scratch\nCOPY --chown=1 a /", Some(2), "--chown"),
            ("FROM scratch\nCOPY a", Some(2), "source"),
            ("FROM scratch\nCOPY *.so /lib/", Some(2), "wildcards"),
            ("FROM scratch\nCOPY a b /bin", Some(2), "slash"),
            ("FROM scratch\nCOPY a bin", Some(2), "absolute"),
            ("FROM scratch\nENV A=1 B=2", Some(2), "one NAME=value"),
            ("FROM scratch\nENV A=$B", Some(2), "variables"),
            ("FROM scratch\nUSER nobody", Some(2), "numbers"),
            ("FROM scratch\nCMD redis-server", Some(2), "JSON list"),
        ] {
            let error = format!("{:#}", text.parse::<Dockerfile>().unwrap_err());
            assert!(error.contains(why), "{text:?}: {error}");
            let place = line.map(|line| format!("line {line}: "));
            assert!(place.is_none_or(|place| error.starts_with(&place)), "{text:?}: {error}");
        }
    }
}
