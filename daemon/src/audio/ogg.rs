//! Whether an Ogg stream is cut off (RFC 3533: the last page is complete and marked as the end of stream).

use std::{fs::File, io, os::unix::fs::FileExt};

/// How an Ogg file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With a page that is marked as the last one.
    Marked,
    /// With a complete page that is not marked: a recording of a broadcast, or a cut between two pages.
    Unmarked,
    /// Within a page.
    Cut,
}

/// A page has at most 27 + 255 + 255 · 255 bytes.
const LARGEST_PAGE: u64 = 65_307;

/// Looks at the last page of `file`.
pub(super) fn end(file: &File) -> io::Result<End> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(2 * LARGEST_PAGE);
    let mut tail = vec![0; (length - from) as usize];
    file.read_exact_at(&mut tail, from)?;
    Ok(last_page(&tail))
}

fn last_page(tail: &[u8]) -> End {
    let mut end = End::Cut;
    let mut at = 0;
    // Pages follow each other: each one found leads to the next, and junk in between is stepped over.
    while at + 4 <= tail.len() {
        if !tail[at..].starts_with(b"OggS\0") {
            at += 1;
            continue;
        }
        let page = &tail[at..];
        let Some(segments) = page.get(26).map(|n| usize::from(*n)) else { return End::Cut };
        let Some(table) = page.get(27..27 + segments) else { return End::Cut };
        let size = 27 + segments + table.iter().map(|n| usize::from(*n)).sum::<usize>();
        if page.len() < size {
            return End::Cut;
        }
        end = if page[5] & 4 != 0 { End::Marked } else { End::Unmarked };
        at += size;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(flags: u8, body: usize) -> Vec<u8> {
        let mut page = b"OggS\0".to_vec();
        page.push(flags);
        page.resize(26, 7);
        page.extend([1, body as u8]);
        page.resize(28 + body, 9);
        page
    }

    #[test]
    fn the_last_page_tells() {
        let whole = [vec![1, 2, 3], page(0, 100), page(4, 50)].concat();
        assert_eq!(last_page(&whole), End::Marked);
        assert_eq!(
            last_page(&[whole.clone(), vec![0; 128]].concat()),
            End::Marked,
            "junk behind is harmless"
        );
        assert_eq!(last_page(&page(0, 100)), End::Unmarked);
        for cut in [1, 20, 49, 60] {
            assert_eq!(last_page(&whole[..whole.len() - cut]), End::Cut, "{cut}");
        }
        assert_eq!(last_page(&[]), End::Cut);
    }
}
