//! The reference of settings and `.env.example` are equal to the programs.

use std::collections::{BTreeMap, BTreeSet};

use lectern_index::config::Config;

use super::{code, other_variables, read, settings};
use crate::programs::{output, root};

const PAGE: &str = "docs/configuration.md";

/// The names that a section takes: what the programs say when they are given one that it does not.
fn names(file: &str) -> BTreeSet<String> {
    let refused = settings(file, &[]).expect_err("an unknown name");
    let line = refused.lines().find(|line| line.contains("unknown field")).expect("what is unknown");
    let (_, expected) = line.split_once("expected ").expect("what is known");
    code(expected).into_iter().collect()
}

/// Keys of every section as the programs know them.
fn known() -> BTreeMap<String, BTreeSet<String>> {
    let sections = names("unknown = 1").into_iter();
    sections
        .map(|section| {
            let head = if section == "source" { "[[source]]".into() } else { format!("[{section}]") };
            let keys = names(&format!("{head}\nunknown = 1"));
            (section, keys)
        })
        .collect()
}

/// The cells of a row of a table.
fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split('|').map(str::trim).collect()
}

/// Keys of every section as the page has them, with the default that it gives.
fn documented() -> BTreeMap<String, BTreeMap<String, String>> {
    let page = read(PAGE);
    let sections = page.split("\n## ").filter(|section| section.starts_with("`["));
    sections
        .map(|section| {
            let name = code(section)[0].trim_matches(['[', ']']).to_owned();
            let rows = section.lines().filter(|line| line.starts_with("| `"));
            let keys = rows.flat_map(|row| {
                let cells = cells(row);
                let default = code(cells[1]).first().cloned().unwrap_or(cells[1].to_owned());
                code(cells[0]).into_iter().map(move |key| (key, default.clone()))
            });
            (name, keys.collect())
        })
        .collect()
}

/// The settings of one section, as Rust prints them.
fn printed(config: &Config, section: &str) -> String {
    let all = format!("{config:?}");
    let (_, rest) = all.split_once(&format!("{section}: ")).expect("the section");
    rest.split('}').next().expect("its fields").to_owned()
}

/// Whether a text is the default of a setting: setting it changes nothing, and `none` is no value.
fn is_default(section: &str, key: &str, value: &str) -> Result<bool, String> {
    let default = Config::default();
    if value == "none" {
        return Ok(printed(&default, section).contains(&format!("{key}: None")));
    }
    let variable = format!("LECTERN_{}_{}", section.to_uppercase(), key.to_uppercase());
    let set = settings("", &[(variable, value.to_owned())])?;
    Ok(format!("{set:?}") == format!("{default:?}"))
}

#[test]
fn the_page_has_every_setting_and_no_other() {
    let documented = documented();
    let keys = documented.iter().map(|(section, keys)| (section.clone(), keys.keys().cloned().collect()));
    let documented: BTreeMap<String, BTreeSet<String>> = keys.collect();
    for (section, keys) in known() {
        assert_eq!(documented.get(&section), Some(&keys), "[{section}] in {PAGE}");
    }
    assert_eq!(documented.len(), known().len(), "{PAGE} has a section the programs do not know");
}

#[test]
fn the_defaults_on_the_page_are_those_of_the_programs() {
    for (section, keys) in documented().iter().filter(|(section, _)| *section != "source") {
        for (key, default) in keys {
            assert_eq!(
                is_default(section, key, default),
                Ok(true),
                "[{section}] {key} = {default} in {PAGE}"
            );
        }
    }
    assert_eq!(is_default("chunk", "max_tokens", "511"), Ok(false), "another value is seen");
    assert_eq!(is_default("chunk", "max_tokens", "none"), Ok(false));
    let include = documented()["source"]["include"].clone();
    assert_eq!(include, format!("{:?}", lectern_index::config::default_include()));
}

/// The variables that docker compose alone reads.
fn of_compose() -> BTreeSet<String> {
    let files = ["compose.yaml", "deploy/compose.qdrant.yaml"].map(read).join("\n");
    let asked = files.split("${").skip(1).filter_map(|rest| rest.split([':', '}']).next());
    asked.chain(["COMPOSE_FILE"]).map(str::to_owned).collect()
}

#[test]
fn the_example_of_the_environment_has_every_variable_with_its_default() {
    let example = read(".env.example");
    let lines = example.lines().filter(|line| !line.is_empty() && !line.starts_with("# "));
    let given: BTreeMap<&str, &str> = lines
        .map(|line| {
            let (name, value) = line.split_once('=').expect("NAME=VALUE");
            (name.strip_prefix('#').expect("nothing is set in it"), value.trim_matches('"'))
        })
        .collect();
    let mut expected: BTreeSet<String> = other_variables().into_iter().chain(of_compose()).collect();
    for (section, keys) in known().iter().filter(|(section, _)| *section != "source") {
        for key in keys {
            let name = format!("LECTERN_{}_{}", section.to_uppercase(), key.to_uppercase());
            let value = *given.get(name.as_str()).unwrap_or_else(|| panic!("{name} is missing"));
            let value = if value.is_empty() { "none" } else { value };
            assert_eq!(is_default(section, key, value), Ok(true), "{name}={value}");
            expected.insert(name);
        }
    }
    assert_eq!(given.keys().map(|name| name.to_string()).collect::<BTreeSet<_>>(), expected);
}

/// Everything in a program's source that is written like one of these variables is documented.
#[test]
fn every_variable_that_is_read_is_on_the_page() {
    let known = other_variables();
    let mut files = Vec::new();
    for folder in ["index/src", "ingest/src", "serve/src"] {
        crate::architecture::rust_files(&root().join(folder), &mut files);
    }
    let tests_alone = ["LECTERN_CORPORA", "LECTERN_TEST_MODEL_DIR"];
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a source file");
        let text = text.split("#[cfg(test)]").next().expect("the code before the tests");
        for name in text.split('"').skip(1).step_by(2) {
            let ours = ["LECTERN_", "GITHUB_", "OPENAI_", "QDRANT_", "NO_"]
                .iter()
                .any(|start| name.starts_with(start));
            let variable =
                ours && !name.ends_with('_') && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
            assert!(
                !variable || tests_alone.contains(&name) || known.iter().any(|known| known == name),
                "{}: {name} is not in {PAGE}",
                file.display()
            );
        }
    }
}

/// The flags that `--help` of a command lists, and its commands.
fn help(program: &str, command: &[&str]) -> (BTreeSet<String>, Vec<String>) {
    let mut arguments = command.to_vec();
    arguments.push("--help");
    let (code, out, error) = output(program, &arguments);
    assert_eq!(code, 0, "{error}");
    let (_, listed) = out.split_once("\nOptions:\n").expect("its options");
    // They are indented, what follows them is not.
    let listed = listed.lines().filter(|line| line.starts_with(' '));
    let options = listed.map(str::trim_start).filter(|line| line.starts_with('-'));
    let flags = options.flat_map(|line| line.split([' ', ',']).filter(|word| word.starts_with("--")).take(1));
    let flags = flags.map(str::to_owned).collect();
    let commands = out.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = commands.take_while(|line| line.starts_with("  "));
    let commands = commands.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    (flags, commands.filter(|name| !name.is_empty() && *name != "help").map(str::to_owned).collect())
}

#[test]
fn the_page_has_every_flag_and_no_other() {
    let page = read(PAGE);
    let (_, section) = page.split_once("\n## Flags").expect("the section on flags");
    let mut documented: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut commands = Vec::new();
    for row in section.lines().filter(|line| line.starts_with('|') && line.contains("`--")) {
        // A row without a command belongs to the one above it.
        let (command, flags) = (cells(row)[0], cells(row)[1]);
        if !command.is_empty() {
            commands =
                if command.starts_with("all") { vec![command.replace('`', "")] } else { code(command) };
        }
        for command in &commands {
            let flags = code(flags).into_iter().filter_map(|flag| flag.split(' ').next().map(str::to_owned));
            documented.entry(command.clone()).or_default().extend(flags);
        }
    }
    let everywhere = documented["all"].clone();
    let mut seen = 0;
    for program in ["lectern-ingest", "lectern-serve"] {
        let (_, subcommands) = help(program, &[]);
        assert!(subcommands.len() > 3, "{program}: {subcommands:?}");
        for command in std::iter::once(None).chain(subcommands.iter().map(Some)) {
            let words: Vec<&str> = command.iter().map(|command| command.as_str()).collect();
            let (flags, _) = help(program, &words);
            let name = [&[program], words.as_slice()].concat().join(" ");
            let mut expected = everywhere.clone();
            expected.extend(documented.get(&format!("all of {program}")).cloned().unwrap_or_default());
            expected.extend(documented.get(&name).cloned().unwrap_or_default());
            assert_eq!(flags, expected, "{name} in {PAGE}");
            seen += usize::from(documented.contains_key(&name));
        }
    }
    let commands = documented.keys().filter(|command| !command.starts_with("all")).count();
    assert_eq!(seen, commands, "{PAGE} has flags of a command there is not: {:?}", documented.keys());
}
