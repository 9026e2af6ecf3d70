//! What the disk does: the floor of everything that is durable before it is answered.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

const LASTING: Duration = Duration::from_secs(1);
const BLOCK: usize = 4096;
/// Blocks of the file, which are there before: neither its length nor its place changes.
const BLOCKS: u64 = 256;

/// How many blocks a second can be written one after the other, each synced.
pub(crate) fn syncs(folder: &Path) -> anyhow::Result<f64> {
    let file = File::create(folder.join("syncs"))?;
    let block = [b'x'; BLOCK];
    for place in 0..BLOCKS {
        file.write_all_at(&block, place * BLOCK as u64)?;
    }
    file.sync_all()?;
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < LASTING {
        file.write_all_at(&block, count % BLOCKS * BLOCK as u64)?;
        file.sync_data()?;
        count += 1;
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}
