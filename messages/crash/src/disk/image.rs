//! What is left on a disk when the power is cut.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

use rand::RngExt;

use super::record::Record;
use crate::Chance;

/// What comes to a disk by itself comes in pieces of this many bytes.
const PAGE: u64 = 4096;

/// A file, whatever its name is.
#[derive(Debug, Default)]
struct File {
    before: Vec<u8>,
    changes: Vec<(u64, Change)>,
    synced: u64,
}

#[derive(Debug)]
enum Change {
    Written(u64, Vec<u8>),
    Cut(u64),
}

/// A change of names; files go by their place in the list of all.
#[derive(Debug)]
enum Naming {
    Made(PathBuf, usize),
    Renamed(PathBuf, PathBuf),
    Removed(PathBuf),
}

/// How much of what was not synced is there all the same.
#[derive(Debug, Clone, Copy)]
enum Luck {
    None,
    SomePages,
    All,
}

/// What happened on a disk.
#[derive(Debug, Default)]
struct Happened {
    files: Vec<File>,
    by_inode: HashMap<u64, usize>,
    naming: Vec<(u64, Naming)>,
    /// Changes of names below this number are on the disk.
    names_synced: u64,
}

/// What a disk holds whose `folder` held `before`, after these records and a power cut.
pub(super) fn left(
    folder: u64,
    before: Vec<(u64, PathBuf, Vec<u8>)>,
    records: Vec<Record>,
    chance: &mut Chance,
) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut happened, mut names) = (Happened::default(), BTreeMap::new());
    for (inode, path, bytes) in before {
        names.insert(path, happened.made(inode, bytes));
    }
    for (number, record) in (0..).zip(records) {
        happened.happens(folder, number, record);
    }
    let Happened { files, naming, names_synced, .. } = happened;
    let certain = naming.iter().filter(|(number, _)| *number < names_synced).count();
    let there = chance.random_range(certain..=naming.len());
    for (_, naming) in naming.into_iter().take(there) {
        rename(&mut names, naming);
    }
    let lucks = [Luck::None, Luck::SomePages, Luck::SomePages, Luck::All];
    let luck = lucks[chance.random_range(0..lucks.len())];
    names.into_iter().map(|(path, at)| (path, files[at].left(luck, chance))).collect()
}

impl Happened {
    /// A file with a number that may have been that of another one, which is gone. Says its place.
    fn made(&mut self, inode: u64, before: Vec<u8>) -> usize {
        let at = self.files.len();
        self.by_inode.insert(inode, at);
        self.files.push(File { before, ..File::default() });
        at
    }

    fn happens(&mut self, folder: u64, number: u64, record: Record) {
        match record {
            Record::Made { inode, path } => {
                let at = self.made(inode, Vec::new());
                self.naming.push((number, Naming::Made(path, at)));
            }
            Record::Renamed { from, to } => self.naming.push((number, Naming::Renamed(from, to))),
            Record::Removed { path } => self.naming.push((number, Naming::Removed(path))),
            Record::Synced { inode, up_to } if inode == folder => self.names_synced = up_to,
            Record::Synced { inode, up_to } => {
                if let Some(file) = self.file(inode) {
                    file.synced = file.synced.max(up_to);
                }
            }
            Record::Written { inode, at, bytes } => {
                self.change(inode, number, Change::Written(at, bytes));
            }
            Record::Cut { inode, length } => self.change(inode, number, Change::Cut(length)),
        }
    }

    fn file(&mut self, inode: u64) -> Option<&mut File> {
        let at = *self.by_inode.get(&inode)?;
        self.files.get_mut(at)
    }

    fn change(&mut self, inode: u64, number: u64, change: Change) {
        if let Some(file) = self.file(inode) {
            file.changes.push((number, change));
        }
    }
}

fn rename(names: &mut BTreeMap<PathBuf, usize>, naming: Naming) {
    match naming {
        Naming::Made(path, file) => {
            names.insert(path, file);
        }
        Naming::Renamed(from, to) => {
            let file = names.remove(&from);
            names.extend(file.map(|file| (to, file)));
        }
        Naming::Removed(path) => {
            names.remove(&path);
        }
    }
}

impl File {
    fn left(&self, luck: Luck, chance: &mut Chance) -> Vec<u8> {
        let mut bytes = self.before.clone();
        for (number, change) in &self.changes {
            let comes = |chance: &mut Chance| match luck {
                _ if *number < self.synced => true,
                Luck::None => false,
                Luck::SomePages => chance.random_bool(0.5),
                Luck::All => true,
            };
            match change {
                Change::Cut(length) => {
                    if comes(chance) {
                        bytes.resize(*length as usize, 0);
                    }
                }
                Change::Written(at, written) => {
                    for (at, page) in pages(*at, written) {
                        if comes(chance) {
                            put(&mut bytes, at as usize, page);
                        }
                    }
                }
            }
        }
        bytes
    }
}

/// The parts of what is written that are in one page each.
fn pages(mut at: u64, mut rest: &[u8]) -> Vec<(u64, &[u8])> {
    let mut pages = Vec::new();
    while !rest.is_empty() {
        let size = rest.len().min((PAGE - at % PAGE) as usize);
        let (page, behind) = rest.split_at(size);
        pages.push((at, page));
        (at, rest) = (at + size as u64, behind);
    }
    pages
}

fn put(bytes: &mut Vec<u8>, at: usize, page: &[u8]) {
    bytes.resize(bytes.len().max(at + page.len()), 0);
    bytes[at..at + page.len()].copy_from_slice(page);
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    const FOLDER: u64 = 1;

    fn made(inode: u64, path: &str) -> Record {
        Record::Made { inode, path: path.into() }
    }

    fn written(inode: u64, at: u64, text: &str) -> Record {
        Record::Written { inode, at, bytes: text.into() }
    }

    fn synced(inode: u64, up_to: u64) -> Record {
        Record::Synced { inode, up_to }
    }

    /// What may be left, by name.
    fn outcomes(before: &[(u64, &str, &str)], records: &[Record]) -> Vec<BTreeMap<String, String>> {
        let before: Vec<_> = before
            .iter()
            .map(|(inode, path, text)| (*inode, (*path).into(), (*text).into()))
            .collect();
        let one = |seed| {
            let chance = &mut Chance::seed_from_u64(seed);
            let left = left(FOLDER, before.clone(), records.to_vec(), chance).into_iter();
            let text = |bytes| String::from_utf8(bytes).expect("text");
            left.map(|(path, bytes)| (path.display().to_string(), text(bytes))).collect()
        };
        let mut all: Vec<_> = (0..200).map(one).collect();
        all.sort();
        all.dedup();
        all
    }

    fn files(files: &[(&str, &str)]) -> BTreeMap<String, String> {
        files.iter().map(|(path, text)| ((*path).into(), (*text).into())).collect()
    }

    #[test]
    fn what_was_synced_is_there_and_the_rest_may_be() {
        let all = outcomes(
            &[(7, "log", "ab")],
            &[
                written(7, 2, "cd"),
                synced(7, 1),
                written(7, 4, "ef"),
                Record::Cut { inode: 7, length: 1 },
            ],
        );
        let may = ["a", "abcd", "abcdef"].map(|text| files(&[("log", text)]));
        assert_eq!(all, may);
    }

    #[test]
    fn a_sync_says_nothing_of_what_was_written_while_it_ran() {
        let all =
            outcomes(&[(7, "log", "")], &[written(7, 0, "a"), written(7, 1, "b"), synced(7, 1)]);
        assert_eq!(all, [files(&[("log", "a")]), files(&[("log", "ab")])]);
    }

    #[test]
    fn names_are_synced_with_their_folder_and_come_in_their_order() {
        let renamed = Record::Renamed { from: "new".into(), to: "old".into() };
        let changes = [made(8, "new"), written(8, 0, "x"), synced(8, 2), renamed];
        let all = outcomes(&[(7, "old", "o")], &changes);
        let [before, both, after] =
            [&[("old", "o")][..], &[("new", "x"), ("old", "o")], &[("old", "x")]].map(files);
        assert_eq!(all, [both, before.clone(), after.clone()]);
        // Its content was not synced, and its name was.
        let mut changes = changes.to_vec();
        changes.remove(2);
        changes.push(synced(FOLDER, 3));
        assert_eq!(outcomes(&[(7, "old", "o")], &changes), [files(&[("old", "")]), after]);
        // A file's number may be used again.
        let removed = Record::Removed { path: "old".into() };
        let changes =
            [removed, made(7, "log"), written(7, 0, "l"), synced(7, 3), synced(FOLDER, 3)];
        assert_eq!(outcomes(&[(7, "old", "o")], &changes), [files(&[("log", "l")])]);
    }

    #[test]
    fn pages_come_each_by_itself() {
        let text = "x".repeat(PAGE as usize) + "yz";
        let all = outcomes(&[(7, "log", "")], &[written(7, 0, &text)]);
        let hole = "\0".repeat(PAGE as usize) + "yz";
        let may = ["", &hole, &text[..PAGE as usize], &text].map(|text| files(&[("log", text)]));
        assert_eq!(all, may);
    }
}
