//! SIGKILL at any moment of a sync, while somebody reads without pause.

pub(crate) mod corpus;
mod reader;
mod small_disk;

use std::io::{Seek, SeekFrom, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::mend::damage;
use super::workspace::Workspace;
use crate::programs::{self, Server};
use corpus::{Tree, check_out, commit, commit_of};
use reader::{Reader, call};
use small_disk::SmallDisk;

/// How many syncs are killed: `LECTERN_TEST_KILLS`, else 25; other laws than the first, which cost
/// as much again, take a part of them.
pub(crate) fn kills(part: u64) -> u64 {
    let all = std::env::var("LECTERN_TEST_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(25);
    u64::max(all / part, 1)
}

/// Random numbers that `LECTERN_TEST_SEED` repeats (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded() -> Self {
        let given = std::env::var("LECTERN_TEST_SEED").ok().and_then(|n| n.parse().ok());
        let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let seed = given.unwrap_or_else(|| now().map_or(1, |now| now.as_nanos() as u64) | 1);
        let thread = std::thread::current();
        eprintln!("{}: LECTERN_TEST_SEED={seed}", thread.name().unwrap_or_default());
        Self(seed)
    }

    /// A number from 0 to 1.
    pub(crate) fn next(&mut self) -> f64 {
        let Self(state) = self;
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Publishes commits 0 and 1; how long the second took.
fn begin(workspace: &Workspace) -> Duration {
    check_out(&workspace.docs(), &commit(0));
    workspace.synced(&[]);
    check_out(&workspace.docs(), &commit(1));
    let started = Instant::now();
    workspace.synced(&[]);
    started.elapsed()
}

/// Starts a command and kills it after `wait`. Its exit code if that came too late.
pub(crate) fn kill(command: &mut Command, wait: impl FnOnce(&mut Child)) -> Option<i32> {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a child");
    wait(&mut child);
    let _ = child.kill();
    child.wait().expect("a child").code()
}

/// One commit after another with what `sync` gives, each killed, while a reader reads. How they
/// ended.
fn kill_on(
    workspace: &Workspace,
    kills: u64,
    mut sync: impl FnMut(&mut Random) -> Command,
) -> Vec<Option<i32>> {
    let mut random = Random::seeded();
    let whole = begin(workspace);
    let reader = Reader::start(&workspace.index());
    let mut ends = Vec::new();
    for k in 2..2 + kills {
        check_out(&workspace.docs(), &commit(k));
        reader.may_see(k);
        let mut command = sync(&mut random);
        let moment = whole.mul_f64(random.next() * 1.1);
        ends.push(kill(&mut command, |_| std::thread::sleep(moment)));
        reader.is_content();
    }
    let reads = reader.stop();
    let killed = ends.iter().filter(|end| end.is_none()).count();
    eprintln!("{kills} syncs, {killed} killed, the others ended with {:?}, {reads} reads", others(&ends));
    ends
}

/// The exit codes of those that were not killed.
fn others(ends: &[Option<i32>]) -> Vec<i32> {
    ends.iter().flatten().copied().collect()
}

/// One clean sync ends where a fresh index does.
fn ends_well(workspace: &Workspace) {
    workspace.synced(&[]);
    workspace.verified();
    assert_eq!(workspace.export(), workspace.fresh_export());
}

#[test]
fn killed_at_any_moment_a_sync_leaves_the_old_or_the_new() {
    kill_syncs(&Workspace::new(&[]), kills(1));
}

/// Kills syncs into the workspace's index at random moments while somebody reads it.
pub(crate) fn kill_syncs(workspace: &Workspace, kills: u64) {
    let ends = kill_on(workspace, kills, |_| workspace.ingest(&["sync", "docs"]));
    assert!(ends.contains(&None), "no sync was ever killed");
    assert!(others(&ends).iter().all(|&code| code == 0), "{ends:?}");
    ends_well(workspace);
}

#[test]
fn killed_while_the_disk_is_full_a_sync_leaves_the_old_or_the_new() {
    let workspace = Workspace::with_index_in("disk");
    let disk = SmallDisk::mount(workspace.index().parent().expect("its folder"));
    let ends = kill_on(&workspace, kills(3), |random| {
        // From no room at all to about what a sync takes.
        let room = random.next() * 1.5 * disk.used() as f64;
        disk.with_room(room as u64, &workspace.ingest(&["sync", "docs"]))
    });
    assert!(ends.contains(&None), "no sync was ever killed");
    assert!(others(&ends).iter().all(|code| [0, 5].contains(code)), "{ends:?}");
    // One that is not killed says so.
    let before = workspace.export();
    let (code, _, error) =
        programs::text(programs::run(&mut disk.with_room(0, &workspace.ingest(&["sync", "docs"]))));
    assert!(code == 5 && error.contains("lectern.db"), "{code}: {error}");
    assert_eq!(workspace.export(), before);
    disk.make_room();
    ends_well(&workspace);
}

#[test]
fn killed_and_robbed_of_its_ledger_a_sync_leaves_the_old_or_the_new() {
    kill_and_rob_syncs(&Workspace::new(&[]), kills(5));
}

/// The same where each sync finds no ledger.
pub(crate) fn kill_and_rob_syncs(workspace: &Workspace, kills: u64) {
    let ends = kill_on(workspace, kills, |_| {
        damage(
            workspace,
            "DELETE FROM ledger_documents; DELETE FROM ledger_sources; DELETE FROM ledger_failures",
        );
        workspace.ingest(&["sync", "docs"])
    });
    assert!(ends.contains(&None), "no sync was ever killed");
    assert!(others(&ends).iter().all(|&code| code == 0), "{ends:?}");
    ends_well(workspace);
}

/// Nobody reads meanwhile: a log that is damaged under a reader is a broken disk, which nothing
/// helps against.
#[test]
fn killed_and_its_log_damaged_a_sync_leaves_the_old_or_the_new() {
    let workspace = Workspace::new(&[]);
    let mut random = Random::seeded();
    let whole = begin(&workspace);
    let log = workspace.root().join("lectern.db-wal");
    let (mut damaged, mut missed) = (0, 0);
    let (mut last, mut k) = (1, 1);
    while damaged < kills(5) && missed < 10 * kills(5) {
        k += 1;
        check_out(&workspace.docs(), &commit(k));
        // A kill while the log was being moved leaves a database that needs its log: it is moved whole.
        damage(&workspace, "PRAGMA wal_checkpoint(TRUNCATE)");
        let before = std::fs::read(workspace.index()).expect("the index");
        // Sooner after each that came too late.
        let moment = whole.mul_f64(random.next() * 0.5 / (1 + missed) as f64);
        kill(&mut workspace.ingest(&["sync", "docs"]), |child| {
            // Before that there is nothing to damage.
            let empty = || std::fs::metadata(&log).map_or(0, |log| log.len()) == 0;
            while empty() && child.try_wait().expect("a child").is_none() {
                std::thread::yield_now();
            }
            std::thread::sleep(moment);
        });
        let length = std::fs::metadata(&log).map_or(0, |log| log.len());
        // Where the log is being moved into the database, which is after a publish, both are needed.
        if length > 0 && before == std::fs::read(workspace.index()).expect("the index") {
            let mut file = std::fs::OpenOptions::new().write(true).open(&log).expect("the log");
            // Its header, without which none of it counts, and then anywhere.
            let at = if damaged == 0 { 0 } else { (random.next() * length as f64) as u64 };
            file.seek(SeekFrom::Start(at)).expect("a position");
            file.write_all(&[0xa5; 64]).expect("damage");
            damaged += 1;
        } else {
            missed += 1;
        }
        let now = published(&workspace.export());
        assert!(last <= now && now <= k, "commit {now} after {last}");
        last = now;
    }
    eprintln!("{damaged} logs damaged, {missed} kills came too late for that, {last} published last");
    assert_eq!(damaged, kills(5), "too few logs were damaged");
    ends_well(&workspace);
}

/// Which commit an export is of: that one whole.
pub(crate) fn published(export: &str) -> u64 {
    let mut texts = Tree::new();
    for line in export.lines() {
        let chunk: serde_json::Value = serde_json::from_str(line).expect("a JSON object a line");
        let text = |key: &str| chunk[key].as_str().expect(key).to_owned();
        texts.entry(text("path")).or_default().push_str(&text("text"));
    }
    let k = commit_of(&texts.values().cloned().collect::<Vec<_>>().join("\n"));
    assert_eq!(texts, commit(k), "commit {k} is published whole");
    k
}

#[test]
fn serve_answers_while_and_after_a_backup_is_restored() {
    let workspace = Workspace::new(&[]);
    check_out(&workspace.docs(), &commit(0));
    workspace.synced(&[]);
    assert_eq!(workspace.run(&["backup", "copy.db"]).0, 0);
    check_out(&workspace.docs(), &commit(1));
    workspace.synced(&[]);
    let server = Server::start(&workspace.index());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let stays = || {
        runtime.block_on(async {
            let client = reqwest::Client::new();
            let fetched =
                call(&client, &server.url("/mcp"), "fetch_doc", json!({ "path": "stays/0.md" })).await;
            commit_of(fetched["content"].as_str().expect("content"))
        })
    };
    assert_eq!(stays(), 1);
    assert_eq!(workspace.run(&["restore", "copy.db"]).0, 0);
    assert_eq!(stays(), 0);
    programs::run(&mut workspace.ingest(&["sync", "docs"]));
    assert_eq!(stays(), 1);
}
