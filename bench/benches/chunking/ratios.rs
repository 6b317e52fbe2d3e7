//! The ratios that matter, measured in turns so that a busy machine slows all alike.

use std::hint::black_box;
use std::time::Instant;

use crate::corpus::Corpus;
use crate::subjects::Subjects;

/// Turns of everything but the slow baseline, which has as many as fit beside them.
const TURNS: usize = 25;
const SLOW_TURNS: usize = 7;

/// Passes over the corpus in one turn: one takes milliseconds, in which a core that was idle has only
/// just filled its caches. The slow baseline takes seconds for one.
const PASSES: usize = 3;
const CAP: u32 = 512;

/// What most small models read.
const MODEL_CAP: u32 = 256;

/// Seconds of a pass, in each turn.
#[derive(Default)]
struct Times(Vec<f64>);

impl Times {
    fn take(&mut self, passes: usize, work: impl Fn() -> usize) -> usize {
        let start = Instant::now();
        let mut result = 0;
        for _ in 0..passes {
            result = black_box(work());
        }
        self.0.push(start.elapsed().as_secs_f64() / passes as f64);
        result
    }

    fn median(&self) -> f64 {
        median(self.0.clone())
    }

    /// How many times as long as the other, the median of the turns that both had: in a turn both run on
    /// the same machine, as busy as it was then.
    fn over(&self, other: &Self) -> f64 {
        median(self.0.iter().zip(&other.0).map(|(this, other)| this / other).collect())
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

pub(crate) fn print(corpus: &Corpus, subjects: &Subjects<'_>) {
    let [mut one, mut all, mut parse, mut count, mut both, mut fast, mut usual, mut model] =
        std::array::from_fn::<_, 8, _>(|_| Times::default());
    let (mut chunks, mut of_model) = (0, 0);
    let mut theirs = 0;
    // The threads are started by the first work they are given.
    black_box(subjects.lectern_parallel(CAP));
    for turn in 0..TURNS {
        chunks = one.take(PASSES, || subjects.lectern(CAP));
        both.take(PASSES, || subjects.parse_and_count());
        all.take(PASSES, || subjects.lectern_parallel(CAP));
        parse.take(PASSES, || subjects.parse());
        count.take(PASSES, || subjects.count());
        if turn < SLOW_TURNS {
            theirs = fast.take(1, || subjects.splitter_fast(CAP));
            usual.take(1, || subjects.splitter_usual(CAP));
            if let Some(tokenizer) = &subjects.model {
                of_model = model.take(1, || subjects.lectern_with(tokenizer, MODEL_CAP));
            }
        }
    }
    println!(
        "\n{:<40} {:>8} {:>10} {:>24} {:>10}",
        format!("cap {CAP}, medians of {TURNS} turns, {SLOW_TURNS} if slow"),
        "MB/s",
        "chunks/s",
        "× splitter + tiktoken-rs",
        "of limit"
    );
    let row = |name: &str, times: &Times, chunks: usize| {
        let seconds = times.median();
        let per_second = if chunks == 0 { "-".to_owned() } else { format!("{:.0}", chunks as f64 / seconds) };
        println!(
            "{name:<40} {:>8.1} {per_second:>10} {:>24.1} {:>9.0} %",
            corpus.megabytes() / seconds,
            usual.over(times),
            100.0 * both.over(times),
        );
    };
    let cores = rayon::current_num_threads();
    row("lectern, one thread", &one, chunks);
    row(&format!("lectern, {cores} threads"), &all, chunks);
    if subjects.model.is_some() {
        row(&format!("lectern, one thread, model, cap {MODEL_CAP}"), &model, of_model);
    }
    row("text-splitter + tiktoken-rs", &usual, theirs);
    row("text-splitter + tiktoken", &fast, theirs);
    row("limit: parse alone", &parse, 0);
    row("limit: count alone", &count, 0);
    row("limit: parse and count", &both, 0);
    println!("\nvs_text_splitter_tiktoken_rs: {:.1}", usual.over(&one));
    println!("of_limit: {:.3}", both.over(&one));
    println!("scaling: {:.2}", one.over(&all));
}
