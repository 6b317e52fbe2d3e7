//! `lectern-serve query`: one search from the command line, for people and scripts.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use lectern_index::document::printable;

use crate::answer::{Hit, SearchAnswer};
use crate::render;

const PLACE: Style = AnsiColor::Cyan.on_default().bold();
const HEADINGS: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();

/// What a person reads: for each passage where it is, how good, and its text. With colours, which
/// the stream that writes it takes out where they do not belong.
pub fn human(answer: &SearchAnswer) -> String {
    let mut out = String::new();
    for (number, hit) in answer.results.iter().enumerate() {
        passage(&mut out, number + 1, hit);
    }
    if answer.results.is_empty() && answer.omitted == 0 {
        out.push_str("Nothing found. Try other or fewer words.\n");
    } else if answer.results.is_empty() {
        out.push_str("No passage fits: raise --max-tokens.\n");
    }
    let provenance = &answer.provenance;
    let _ = write!(out, "{FAINT}{}", render::mode(provenance.mode));
    if let Some(reason) = &provenance.degraded {
        let _ = write!(out, ", degraded: {reason}");
    }
    for source in &provenance.sources {
        let _ = write!(out, " · {}", source.source);
        if let Some(Some(commit)) = &source.commit {
            let _ = write!(out, "@{}", commit.get(..12).unwrap_or(commit));
        }
        let _ = write!(out, " indexed {}", source.indexed_at);
        if let Some(Some(behind @ 1..)) = source.commits_behind {
            let _ = write!(out, ", {behind} commits behind");
        }
    }
    if answer.omitted > 0 {
        let _ = write!(out, " · {} more", answer.omitted);
        if let Some(cursor) = &answer.next_cursor {
            let _ = write!(out, " (--cursor {cursor})");
        }
    }
    let _ = writeln!(out, "{FAINT:#}");
    out
}

fn passage(out: &mut String, number: usize, hit: &Hit) {
    let (start, end) = (hit.start_line, hit.end_line);
    let _ = write!(out, "{PLACE}{number}. {}/{}:{start}-{end}{PLACE:#}", hit.source, printable(&hit.path));
    if let Some(headings) = hit.heading_path.as_ref().filter(|headings| !headings.is_empty()) {
        let _ = write!(out, "  {HEADINGS}{}{HEADINGS:#}", printable(&headings.join(" › ")));
    }
    let score = hit.score.map_or(String::new(), |score| format!("score {score:.3}, "));
    let _ = writeln!(out, "  {FAINT}{score}{} tokens{FAINT:#}", hit.tokens);
    if let Some(link) = hit.permalink.as_ref().or(hit.url.as_ref()).and_then(Option::as_ref) {
        let _ = writeln!(out, "   {FAINT}{link}{FAINT:#}");
    }
    out.push('\n');
    for line in hit.content.trim_end().lines() {
        // Documents are not to steer the terminal they are read on.
        let line: String = line.chars().filter(|c| *c == '\t' || !c.is_control()).collect();
        let _ = writeln!(out, "   {line}");
    }
    out.push('\n');
}
