use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

const BOUNDS: Bounds = Bounds { bytes: 1 << 30, entries: 1000, ratio: 400 };

fn pack(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        // As bytes: the builder itself refuses names that lead out.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, *content).expect("an entry");
    }
    builder.into_inner().expect("an archive").finish().expect("a gzip stream")
}

fn read_all(packed: &[u8], bounds: Bounds) -> (Vec<Vec<u8>>, Result<(), ArchiveError>) {
    let mut all = Vec::new();
    let result = read(
        packed,
        bounds,
        |size| size < 100,
        |content| {
            all.push(content);
            true
        },
    );
    (all, result)
}

#[test]
fn names_do_not_matter() {
    let packed =
        pack(&[("../../etc/passwd", b"one"), ("/etc/shadow", b"two"), ("x/large", &[b'.'; 200]), ("x", b"")]);
    let (all, result) = read_all(&packed, BOUNDS);
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(all, [b"one".to_vec(), b"two".to_vec(), b"".to_vec()]);
}

#[test]
fn a_cut_archive_is_no_end() {
    let packed = pack(&[("a", &[b'a'; 90]), ("b", &[b'b'; 90])]);
    for end in 1..packed.len() - 1 {
        let (all, result) = read_all(&packed[..end], BOUNDS);
        // Behind the mark that ends an archive there is nothing more to miss.
        let whole = all.len() == 2;
        assert!(whole || matches!(result, Err(ArchiveError::Broken(_))), "cut at {end}: {result:?}");
    }
    assert!(matches!(read_all(b"<html>", BOUNDS).1, Err(ArchiveError::Broken(_))));
}

#[test]
fn bombs_are_not_unpacked() {
    let packed = pack(&[("a", &[0; 5000]), ("b", &[0; 5000])]);
    let too_many = read_all(&packed, Bounds { entries: 1, ..BOUNDS }).1;
    assert!(matches!(too_many, Err(ArchiveError::Bomb(_))), "{too_many:?}");
    let too_large = read_all(&packed, Bounds { bytes: 6000, ..BOUNDS }).1;
    assert!(matches!(too_large, Err(ArchiveError::Bomb(_))), "{too_large:?}");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let mut header = tar::Header::new_ustar();
    header.set_size(1 << 30);
    header.set_cksum();
    encoder.write_all(header.as_bytes()).expect("a header");
    for _ in 0..RATIO_FROM / 4096 + 1 {
        encoder.write_all(&[0; 4096]).expect("zeros");
    }
    let bomb = read_all(&encoder.finish().expect("a gzip stream"), BOUNDS).1;
    assert!(matches!(&bomb, Err(ArchiveError::Bomb(reason)) if reason.contains("400 times")), "{bomb:?}");
}

#[test]
fn endless_names_are_not_kept() {
    // A name of 10 MB, announced as GNU tar does it: it goes by like any other content.
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(10 << 20);
    header.set_cksum();
    builder.append(&header, io::repeat(b'x').take(10 << 20)).expect("an entry");
    let mut header = tar::Header::new_gnu();
    header.set_size(3);
    header.set_cksum();
    builder.append(&header, &b"abc"[..]).expect("an entry");
    let packed = builder.into_inner().expect("an archive").finish().expect("a gzip stream");
    let (all, result) = read_all(&packed, BOUNDS);
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(all, [b"abc".to_vec()]);
}
