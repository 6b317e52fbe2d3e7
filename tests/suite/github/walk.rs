//! Fifty commits, one after the other, end where one fresh sync ends.

use super::miniature::Miniature;
use super::program::Program;
use super::repository::Repository;

/// A number that looks random and is the same in every run (Numerical Recipes).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn text(dice: &mut Dice) -> String {
    let mut text = format!("# Title {}\n", dice.roll(50));
    for section in 0..dice.roll(6) {
        let words: Vec<String> = (0..dice.roll(120)).map(|_| format!("word{}", dice.roll(500))).collect();
        text.push_str(&format!("\n## Part {section}\n\n{}\n", words.join(" ")));
    }
    text
}

#[test]
fn fifty_commits_end_where_a_fresh_sync_ends() {
    let mut dice = Dice(5);
    let repository = Repository::empty();
    let mut paths: Vec<String> = Vec::new();
    for n in 0..150 {
        let path = format!("docs/{}/page{n}.md", n % 7);
        repository.write(&path, text(&mut dice));
        paths.push(path);
    }
    repository.commit();
    let github = Miniature::of(&repository);
    let walking = Program::new(&github);
    let target = "github:acme/docs/docs@main";
    walking.sync(target, 0);
    for step in 0..50 {
        for change in 0..1 + dice.roll(6) {
            let pick = dice.roll(paths.len() as u64) as usize;
            match dice.roll(6) {
                0 => {
                    let path = format!("docs/new/{step}-{change}.md");
                    repository.write(&path, text(&mut dice));
                    paths.push(path);
                }
                1 => repository.remove(&paths.swap_remove(pick)),
                2 => {
                    let to = format!("docs/moved/{step}-{change}.md");
                    repository.rename(&paths[pick], &to);
                    paths[pick] = to;
                }
                3 => {
                    // The content of another document, and back again some day.
                    let other = dice.roll(paths.len() as u64) as usize;
                    let content = std::fs::read(repository.path().join(&paths[other])).unwrap();
                    repository.write(&paths[pick], content);
                }
                4 => repository.write(&paths[pick], "---\ndraft: true\n---\n# Draft\n"),
                _ => repository.write(&paths[pick], text(&mut dice)),
            }
        }
        repository.commit();
        walking.sync(target, 0);
    }
    let fresh = Program::new(&github);
    fresh.sync(target, 0);
    assert_eq!(walking.export(), fresh.export());
    assert!(walking.export().contains(&repository.head()), "permalinks name the last commit");
    assert!(walking.run(&["verify", "--index", "lectern.db"]).code == 0);
}
