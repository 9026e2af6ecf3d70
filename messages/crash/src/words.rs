//! What a service tells of what its clients were told, line by line.

use std::{fmt, str::FromStr};

use chatcluster_protocol::id::MessageId;

/// What one of a service's writers was told, or asks for. Writers go by their number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    /// Messages are stored: the number of each, and its id.
    Stored(usize, Vec<(u64, MessageId)>),
    /// The reader is about to acknowledge these.
    Removing(usize, Vec<MessageId>),
    /// They are removed.
    Removed(usize, Vec<MessageId>),
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = |f: &mut fmt::Formatter<'_>, ids: &[MessageId]| {
            ids.iter().try_for_each(|id| write!(f, " {id}"))
        };
        match self {
            Self::Stored(writer, messages) => {
                write!(f, "stored {writer}")?;
                messages.iter().try_for_each(|(number, id)| write!(f, " {number}:{id}"))
            }
            Self::Removing(writer, removing) => {
                write!(f, "removing {writer}")?;
                ids(f, removing)
            }
            Self::Removed(writer, removed) => {
                write!(f, "removed {writer}")?;
                ids(f, removed)
            }
        }
    }
}

impl FromStr for Word {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let mut words = line.split(' ');
        let unknown = || anyhow::anyhow!("a service said {line:?}");
        let kind = words.next().ok_or_else(unknown)?;
        let writer = words.next().ok_or_else(unknown)?.parse()?;
        let rest = words;
        let ids = |words: std::str::Split<'_, char>| -> anyhow::Result<Vec<MessageId>> {
            words.map(|id| id.parse().map_err(|_| unknown())).collect()
        };
        match kind {
            "stored" => {
                let one = |word: &str| -> anyhow::Result<_> {
                    let (number, id) = word.split_once(':').ok_or_else(unknown)?;
                    Ok((number.parse()?, id.parse().map_err(|_| unknown())?))
                };
                Ok(Self::Stored(writer, rest.map(one).collect::<anyhow::Result<_>>()?))
            }
            "removing" => Ok(Self::Removing(writer, ids(rest)?)),
            "removed" => Ok(Self::Removed(writer, ids(rest)?)),
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        let id = MessageId::floor(1_700_000_000_000);
        for word in [
            Word::Stored(3, vec![(7, id), (8, id)]),
            Word::Removing(0, vec![id]),
            Word::Removed(1, Vec::new()),
        ] {
            assert_eq!(word.to_string().parse::<Word>().expect("a word"), word);
        }
        assert!("stored".parse::<Word>().is_err());
        assert!("stored 1 7".parse::<Word>().is_err());
        assert!("lost 1 7".parse::<Word>().is_err());
    }
}
