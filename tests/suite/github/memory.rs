//! The archive is read as it arrives: a large repository needs no large machine.

use std::process::Stdio;
use std::time::Duration;

use super::miniature::Miniature;
use super::program::Program;
use super::repository::Repository;

/// Megabytes of the repository; by hand, `LECTERN_TEST_REPOSITORY_MB=200`.
fn megabytes() -> usize {
    std::env::var("LECTERN_TEST_REPOSITORY_MB").map_or(40, |text| text.parse().unwrap())
}

#[test]
fn a_large_repository_fits_into_150_mb() {
    let repository = Repository::empty();
    let mut noise: u64 = 1;
    for n in 0..megabytes() {
        // A tenth is documentation, the rest are pictures: noise, which does not compress.
        let picture: Vec<u8> = (0..900_000 / 8)
            .flat_map(|_| {
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                noise.to_le_bytes()
            })
            .collect();
        repository.write(&format!("img/{n}.png"), picture);
        for page in 0..10 {
            let words: String =
                (0..1000).map(|i| format!("word{} ", (i * 31 + n * 7 + page) % 4001)).collect();
            repository.write(&format!("docs/{n}/{page}.md"), format!("# Page {n}.{page}\n\n{words}\n"));
        }
    }
    repository.commit();
    let github = Miniature::of(&repository);
    let program = Program::new(&github);
    let mut command = program.command(&["sync", "github:acme/docs", "--quiet"]);
    command.env("LECTERN_LOG", "warn").stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut peak = 0;
    let status = loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
        peak = peak.max(line.trim().trim_end_matches(" kB").parse::<u64>().unwrap());
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(status.success());
    eprintln!("{} MB of repository: {peak} kB at most", megabytes());
    assert!(peak < 150_000, "{peak} kB");
}
