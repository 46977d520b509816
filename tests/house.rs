//! The few rules that keep the house standing: who may name whom, that no exchange and no strategy
//! is named outside its own room, where the operating system may be touched, where `unsafe` lives,
//! and how long a file and a line may be. Taste is not a test.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// A room, and the rooms it may name.
const DOORS: &[(&str, &[&str])] = &[
    (
        "app",
        &[
            "base", "conn", "exchange", "journal", "market", "strategy", "trading", "venue",
            "watch", "wiring", "world",
        ],
    ),
    ("base", &[]),
    ("conn", &["base"]),
    ("exchange", &["base", "conn"]),
    ("journal", &["base"]),
    ("market", &["base"]),
    ("strategy", &["base", "market"]),
    ("trading", &["base", "market"]),
    ("venue", &["base", "exchange", "journal", "market"]),
    ("watch", &["base"]),
    (
        "wiring",
        &[
            "base", "conn", "exchange", "market", "strategy", "trading", "venue", "watch",
        ],
    ),
    (
        "world",
        &[
            "base", "conn", "exchange", "journal", "venue", "watch", "wiring",
        ],
    ),
];

/// Where the operating system may be touched.
const OS_FOLDERS: &[&str] = &["app/", "world/os/", "world/os.rs"];

/// What counts as touching it: these paths and everything below them, outside of tests.
const OS_PATHS: &[&[&str]] = &[
    &["std", "net", "TcpStream"],
    &["std", "net", "TcpListener"],
    &["std", "net", "UdpSocket"],
    &["std", "net", "ToSocketAddrs"],
    &["std", "thread"],
    &["std", "time", "Instant"],
    &["std", "time", "SystemTime"],
    &["std", "fs"],
    &["std", "env"],
    &["std", "process", "Command"],
    &["std", "process", "exit"],
    &["std", "os"],
    &["libc"],
    &["mio"],
    &["ureq"],
    &["signal_hook"],
];

const UNSAFE_FILES: &[&str] = &["world/os/sys.rs"];

const LINES_MAX: usize = 600;
const LINES_WISHED: usize = 300;
const COLUMNS_MAX: usize = 100;

#[test]
fn rooms_name_only_the_rooms_that_they_may() {
    assert_none(each_file(doors));
}

#[test]
fn what_the_exchanges_share_names_none_of_them() {
    let kit = |(path, text): &(String, String)| match path.starts_with("exchange/kit/") {
        true => exchanges_named(path, text),
        false => Vec::new(),
    };
    assert_none(sources().iter().flat_map(kit).collect());
}

#[test]
fn no_exchange_is_named_outside_of_its_own_room() {
    let names = exchanges();
    let outside = |path: &str, text: &str| match path.starts_with("exchange/") {
        true => Vec::new(),
        false => named_like(path, text, &names),
    };
    assert_none(each_product_file(outside));
}

#[test]
fn no_strategy_is_named_outside_of_its_own_room() {
    let kinds = strategies();
    let outside = |path: &str, text: &str| match path.starts_with("strategy/") {
        true => Vec::new(),
        false => strategies_named(path, text, &kinds),
    };
    assert_none(each_product_file(outside));
}

#[test]
fn only_world_os_and_app_touch_the_operating_system() {
    assert_none(each_file(operating_system));
}

#[test]
fn unsafe_has_an_address() {
    assert_none(each_file(unsafe_code));
}

#[test]
fn nothing_is_async() {
    assert_none(each_file(async_code));
    for file in ["Cargo.toml", "Cargo.lock"] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        assert_none(
            runtimes(&text)
                .into_iter()
                .map(|what| format!("{file}: {what}"))
                .collect(),
        );
    }
}

#[test]
fn files_are_short() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(
            lines <= LINES_MAX,
            "{path} has {lines} lines, {LINES_MAX} are allowed"
        );
        if lines > LINES_WISHED {
            println!("{path} has {lines} lines, {LINES_WISHED} are wished for");
        }
    }
}

/// Comments, too. What an exchange sends stands in raw strings, as it is sent: those and URLs may
/// be as long as they are.
#[test]
fn lines_of_source_are_short() {
    let folders = ["src", "tests", "benches", "examples", "fuzz", "loom"];
    let files = folders.iter().flat_map(|folder| files(folder, "rs"));
    assert_none(
        files
            .flat_map(|(path, text)| long_lines(&path, &text))
            .collect(),
    );
}

/// Tables, blocks of code and lines with links may be as long as they are.
#[test]
fn lines_of_documents_are_short() {
    let files = files("", "md").into_iter();
    assert_none(
        files
            .flat_map(|(path, text)| long_prose(&path, &text))
            .collect(),
    );
}

#[test]
fn the_tree_is_the_diagram() {
    let rooms: Vec<&str> = DOORS.iter().map(|(room, _)| *room).collect();
    assert!(rooms.is_sorted(), "the road is the order of the names");
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    // What stands elsewhere is no room.
    let paths = lib.lines().map(|line| line.starts_with("#[path"));
    let elsewhere = std::iter::once(false).chain(paths);
    let declared: Vec<&str> = lib
        .lines()
        .zip(elsewhere)
        .filter(|(_, elsewhere)| !elsewhere)
        .map(|(line, _)| line)
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod "))
        .filter_map(|line| line.split(';').next())
        .collect();
    assert_eq!(
        declared, rooms,
        "src/lib.rs declares the rooms in the order of the road"
    );
    let mut entries: Vec<String> = fs::read_dir(root().join("src"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "lib.rs" && name != "main.rs")
        .collect();
    entries.sort();
    assert_eq!(entries, rooms, "src holds the rooms and nothing else");
}

/// Ways in which the best engines fail, in public (`docs/market-cases.md`, `docs/order-cases.md`):
/// each has a test that carries its number, and a table there names it.
#[test]
fn every_case_has_a_test_with_its_number() {
    let modes = (1..=46).map(|number| format!("failure mode {number}"));
    let cases = (1..=20).filter(|number| *number != 13); // It comes with the kill switch.
    let cases = cases.map(|number| format!("T{number}"));
    let tables = ["docs/market-cases.md", "docs/order-cases.md"];
    let table = tables.map(|path| fs::read_to_string(root().join(path)).unwrap());
    let table = table.concat();
    let files = ["src", "tests"].map(|folder| files(folder, "rs")).concat();
    let numbered: Vec<_> = files
        .iter()
        .flat_map(|(path, text)| numbered_tests(path, text))
        .collect();
    let carries = |case: &str, test: &str| {
        let mut all = numbered.iter();
        all.any(|(number, name)| number == case && name == test)
    };
    let told = |case: &String| {
        let begins = format!("| {case} |");
        let row = table.lines().find(|line| line.starts_with(&begins));
        let parts = row.unwrap_or_default().split('`');
        let mut tests = parts.filter(|part| part.contains("::")).peekable();
        tests.peek().is_some() && tests.all(|test| carries(case, test))
    };
    let missing = modes.chain(cases).filter(|case| !told(case));
    assert_none(
        missing
            .map(|case| format!("{case}: no row, or one with a test without its number"))
            .collect(),
    );
}

/// Documents name tests as `path::name`.
#[test]
fn every_test_that_a_document_names_is_there() {
    let named = |(document, text): (String, String)| {
        let parts = text.split('`').filter_map(|part| part.split_once(".rs::"));
        let lacks = |(path, name): (&str, &str)| {
            let source = fs::read_to_string(root().join(format!("{path}.rs")));
            let there = source.is_ok_and(|source| source.contains(&format!("fn {name}()")));
            (!there).then(|| format!("{document}: no test {path}.rs::{name}"))
        };
        parts.filter_map(lacks).collect::<Vec<_>>()
    };
    assert_none(files("", "md").into_iter().flat_map(named).collect());
}

/// Rooms that a file names and may not.
fn doors(path: &str, text: &str) -> Vec<String> {
    let Some(room) = room_of(path) else {
        return Vec::new();
    };
    let allowed = DOORS
        .iter()
        .find(|(name, _)| *name == room)
        .map_or(&[][..], |(_, to)| to);
    let tokens = tokens(text);
    let inline = inline_depths(&tokens);
    let mut refused = Vec::new();
    for (at, names) in paths(&tokens) {
        let depth = module_depth(path) + inline[at];
        let supers = names.iter().take_while(|name| *name == "super").count();
        let named = match names.first().map(String::as_str) {
            Some("crate" | "tickwire") => names.get(1),
            Some("super") if supers >= depth => names.get(supers),
            _ => None,
        };
        let Some(named) = named else { continue };
        let is_room = DOORS.iter().any(|(name, _)| name == named);
        if (is_room || named == "*") && named != room && !allowed.contains(&named.as_str()) {
            let line = tokens[at].line;
            refused.push(format!("{path}:{line}: {room} may not name {named}"));
        }
    }
    refused.dedup();
    refused
}

/// The folders of the exchanges.
fn exchanges() -> Vec<String> {
    let folders: Vec<String> = fs::read_dir(root().join("src/exchange"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("mod.rs").exists() && entry.file_name() != "kit")
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    assert!(
        folders.len() > 5,
        "the exchanges are not where this test looks"
    );
    folders
}

/// The modules of the strategies' kinds: the registry's lines say `&module::KIND`.
fn strategies() -> Vec<String> {
    let text = fs::read_to_string(root().join("src/strategy/mod.rs")).unwrap();
    let kinds = paths(&tokens(&text)).into_iter().map(|(_, names)| names);
    let kinds = kinds.filter(|names| names.len() == 2 && names[1] == "KIND");
    let modules: Vec<String> = kinds.map(|names| names[0].clone()).collect();
    assert!(
        modules.len() > 1,
        "the strategies are not where this test looks"
    );
    modules
}

/// Words and strings of the product that begin as the name of an exchange's folder does:
/// `binance_spot`, `BINANCE`, `BinanceSpot`, `"binance"`.
fn named_like(path: &str, text: &str, folders: &[String]) -> Vec<String> {
    let stem = |folder: &String| folder.split('_').next().unwrap_or_default().to_owned();
    let stems: Vec<String> = folders.iter().map(stem).collect();
    let named = |token: &Token| {
        let word = token.text.trim_start_matches('"').to_lowercase();
        let found = is_name(&word) && stems.iter().any(|stem| word.starts_with(stem));
        found.then(|| format!("{path}:{}: {} is for src/exchange", token.line, token.text))
    };
    without_tests(tokens_and_strings(text))
        .iter()
        .filter_map(named)
        .collect()
}

/// Paths of the product to a module of one of these strategies.
fn strategies_named(path: &str, text: &str, modules: &[String]) -> Vec<String> {
    let tokens = without_tests(tokens(text));
    let named = |(at, names): (usize, Vec<String>)| {
        let two = names
            .windows(2)
            .find(|two| two[0] == "strategy" && modules.contains(&two[1]))?;
        let line = tokens[at].line;
        Some(format!("{path}:{line}: {} is for src/strategy", two[1]))
    };
    paths(&tokens).into_iter().filter_map(named).collect()
}

/// Folders of exchanges that a file of `exchange/kit` names.
fn exchanges_named(path: &str, text: &str) -> Vec<String> {
    let folders = exchanges();
    let tokens = tokens(text);
    let named = |(at, names): (usize, Vec<String>)| {
        let outward = ["crate", "super"].contains(&names[0].as_str());
        let folder = names.iter().find(|name| folders.contains(name))?;
        let line = tokens[at].line;
        outward.then(|| format!("{path}:{line}: exchange/kit names {folder}"))
    };
    paths(&tokens).into_iter().filter_map(named).collect()
}

/// Tests whose documentation begins with numbers of cases (`/// T7, failure mode 40: …`): each
/// number, and the test as `path::name`.
fn numbered_tests(path: &str, text: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut found = Vec::new();
    for (at, _) in lines
        .iter()
        .enumerate()
        .filter(|(_, line)| **line == "#[test]")
    {
        let above = lines[..at].iter().rev();
        let doc = above.take_while(|line| line.starts_with("///")).last();
        let numbers = doc.and_then(|doc| doc.strip_prefix("/// ")?.split_once(':'));
        let name = lines[at..].iter().find_map(|line| line.strip_prefix("fn "));
        let name = name
            .and_then(|name| name.split('(').next())
            .unwrap_or_default();
        for number in numbers
            .into_iter()
            .flat_map(|(numbers, _)| numbers.split(", "))
        {
            let number = number.replace("Failure mode", "failure mode");
            found.push((number, format!("{path}::{name}")));
        }
    }
    found
}

/// Lines of source that are too long, unless a raw string or a URL stands on them.
fn long_lines(path: &str, text: &str) -> Vec<String> {
    let raw = raw_lines(text);
    let line = |(index, line): (usize, &str)| {
        let may = line.contains("://") || raw.contains(&(index + 1));
        (!may).then(|| too_long(path, index, line)).flatten()
    };
    text.lines().enumerate().filter_map(line).collect()
}

/// Lines of a document that are too long, outside of tables, blocks of code and links.
fn long_prose(path: &str, text: &str) -> Vec<String> {
    let (mut fenced, mut long) = (false, Vec::new());
    for (index, line) in text.lines().enumerate() {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        let table = line.starts_with('|');
        let code = fenced || fence || line.starts_with("    ");
        let link = line.contains("](") || line.contains("://");
        if !table && !code && !link {
            long.extend(too_long(path, index, line));
        }
    }
    long
}

fn too_long(path: &str, index: usize, line: &str) -> Option<String> {
    let columns = line.chars().count();
    let number = index + 1;
    (columns > COLUMNS_MAX)
        .then(|| format!("{path}:{number}: {columns} columns, {COLUMNS_MAX} are allowed"))
}

fn operating_system(path: &str, text: &str) -> Vec<String> {
    if OS_FOLDERS.iter().any(|folder| path.starts_with(folder)) || path == "main.rs" {
        return Vec::new();
    }
    let tokens = without_tests(tokens(text));
    let mut refused = Vec::new();
    for (at, names) in paths(&tokens) {
        for os in OS_PATHS {
            let below = names.len() >= os.len() && names.iter().zip(*os).all(|(a, b)| a == b);
            // `use std::time;` or `use std::time::*;` would hide an `Instant` from this test.
            let open = names.strip_suffix(&["*".to_owned()][..]).unwrap_or(&names);
            let above = open.len() > 1 || names.len() > open.len();
            let hides = above && open.len() < os.len() && open.iter().zip(*os).all(|(a, b)| a == b);
            if below || hides {
                let line = tokens[at].line;
                refused.push(format!(
                    "{path}:{line}: {} is for world/os and app",
                    names.join("::")
                ));
                break;
            }
        }
    }
    refused
}

fn unsafe_code(path: &str, text: &str) -> Vec<String> {
    if UNSAFE_FILES.contains(&path) {
        return Vec::new();
    }
    let tokens = tokens(text);
    // `deny(unsafe_code)` in lib.rs is the rule itself; `allow` of it is the way around.
    let lifted = tokens.windows(3).filter(|three| {
        ["allow", "expect", "warn"].contains(&three[0].text.as_str())
            && three[2].text == "unsafe_code"
    });
    let words = tokens.iter().filter(|token| token.text == "unsafe");
    words
        .chain(lifted.map(|three| &three[0]))
        .map(|token| {
            format!(
                "{path}:{}: unsafe lives in {}",
                token.line,
                UNSAFE_FILES.join(", ")
            )
        })
        .collect()
}

fn async_code(path: &str, text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let words = tokens
        .iter()
        .filter(|token| ["async", "await"].contains(&token.text.as_str()));
    words
        .map(|token| format!("{path}:{}: `{}`", token.line, token.text))
        .collect()
}

/// Async runtimes in a manifest or a lock file.
fn runtimes(text: &str) -> Vec<String> {
    const RUNTIMES: &[&str] = &[
        "tokio",
        "async-std",
        "smol",
        "async-executor",
        "futures-executor",
        "monoio",
        "glommio",
        "compio",
    ];
    let name_of = |line: &str| {
        let value = line.strip_prefix("name = ").unwrap_or(line);
        value
            .split(['=', '.'])
            .next()
            .unwrap_or_default()
            .trim()
            .trim_matches('"')
            .to_owned()
    };
    let names = text
        .lines()
        .map(name_of)
        .filter(|name| RUNTIMES.contains(&name.as_str()));
    names
        .map(|name| format!("an async runtime: {name}"))
        .collect()
}

fn room_of(path: &str) -> Option<&str> {
    let room = path.split('/').next()?;
    Some(room.strip_suffix(".rs").unwrap_or(room)).filter(|room| *room != "lib" && *room != "main")
}

/// How many `super`s lead from a file's own module to the crate.
fn module_depth(path: &str) -> usize {
    let parts = path.split('/').count();
    if path.ends_with("/mod.rs") {
        parts - 1
    } else {
        parts
    }
}

/// For each token, how many inline modules (`mod tests { … }`) stand around it.
fn inline_depths(tokens: &[Token]) -> Vec<usize> {
    let (mut open, mut depths) = (Vec::new(), Vec::new());
    for (i, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "{" => open.push(i >= 2 && tokens[i - 2].text == "mod"),
            "}" => drop(open.pop()),
            _ => {}
        }
        depths.push(open.iter().filter(|module| **module).count());
    }
    depths
}

/// A word or a mark of the source, outside of comments and literals.
#[derive(Debug, Clone)]
struct Token {
    line: usize,
    text: String,
}

/// Splits Rust source into identifiers, `::` and single marks; drops comments, strings and
/// characters.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = tokens_and_strings(text);
    tokens.retain(|token| !token.text.starts_with('"'));
    tokens
}

/// As [`tokens`], and ordinary strings with their first quote.
fn tokens_and_strings(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let (mut tokens, mut at, mut line) = (Vec::new(), 0, 1);
    while at < chars.len() {
        let end = token_end(&chars, at);
        let word: String = chars[at..end].iter().collect();
        let foreign = word.starts_with('\'') || word.starts_with("//") || word.starts_with("/*");
        let raw = word.starts_with('r') && word.ends_with(['"', '#']);
        if !foreign && !raw && !word.trim().is_empty() {
            tokens.push(Token { line, text: word });
        }
        line += chars[at..end].iter().filter(|c| **c == '\n').count();
        at = end;
    }
    tokens
}

/// The lines on which a raw string stands, from 1.
fn raw_lines(text: &str) -> HashSet<usize> {
    let chars: Vec<char> = text.chars().collect();
    let (mut lines, mut at, mut line) = (HashSet::new(), 0, 1);
    while at < chars.len() {
        let end = token_end(&chars, at);
        let last = line + chars[at..end].iter().filter(|c| **c == '\n').count();
        if chars[at] == 'r' && matches!(chars[end - 1], '"' | '#') {
            lines.extend(line..=last);
        }
        (at, line) = (end, last);
    }
    lines
}

fn token_end(chars: &[char], at: usize) -> usize {
    let rest = &chars[at..];
    let is_word = |c: &char| c.is_alphanumeric() || *c == '_';
    let until = |from: usize, end: &dyn Fn(&[char]) -> bool| {
        (from..rest.len())
            .find(|&i| end(&rest[i..]))
            .unwrap_or(rest.len())
    };
    let length = match rest {
        ['/', '/', ..] => until(2, &|r| r[0] == '\n'),
        ['/', '*', ..] => comment_end(rest),
        ['r', '"' | '#', ..] if raw_end(rest).is_some() => raw_end(rest).unwrap(),
        ['b', 'r', '"' | '#', ..] => 1,
        ['"', ..] => quoted_end(rest, '"'),
        // A character, not a lifetime: `'a'`, `'\n'`.
        ['\'', '\\', ..] | ['\'', _, '\'', ..] => quoted_end(rest, '\''),
        [':', ':', ..] => 2,
        [c, ..] if is_word(c) => {
            // The prefix of a literal (`b"…"`) is no part of it.
            until(1, &|r| !is_word(&r[0]))
        }
        _ => 1,
    };
    at + length.max(1)
}

fn quoted_end(rest: &[char], quote: char) -> usize {
    let mut i = 1;
    while i < rest.len() && rest[i] != quote {
        i += if rest[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(rest.len())
}

fn comment_end(rest: &[char]) -> usize {
    let (mut depth, mut i) = (1, 2);
    while depth > 0 && i < rest.len() {
        match rest[i..] {
            ['/', '*', ..] => (depth, i) = (depth + 1, i + 2),
            ['*', '/', ..] => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
    }
    i.min(rest.len())
}

/// The length of `r#"…"#`, if that is what stands here (and not `r#type`).
fn raw_end(rest: &[char]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    (rest.get(1 + hashes) == Some(&'"')).then_some(())?;
    let closes = |i: usize| rest[i] == '"' && rest[i + 1..].iter().take(hashes).all(|c| *c == '#');
    let end = (2 + hashes..rest.len())
        .find(|&i| closes(i))
        .map(|i| i + 1 + hashes);
    Some(end.unwrap_or(rest.len()).min(rest.len()))
}

/// Leaves out the items that `#[cfg(test)]` stands before.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        let marked = tokens[at..]
            .iter()
            .map(|token| token.text.as_str())
            .take(7)
            .eq(MARK);
        if marked {
            at = item_end(&tokens, at + 7);
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// Behind the `;` or the closing brace of the item that starts here.
fn item_end(tokens: &[Token], start: usize) -> usize {
    let (mut depth, mut braces) = (0i32, false);
    for (i, token) in tokens.iter().enumerate().skip(start) {
        match token.text.as_str() {
            "{" | "(" | "[" => {
                braces |= token.text == "{" && depth == 0;
                depth += 1;
            }
            "}" | ")" | "]" => depth -= 1,
            ";" if depth == 0 => return i + 1,
            _ => {}
        }
        if depth == 0 && braces {
            return i + 1;
        }
    }
    tokens.len()
}

/// Every path of the source with the token where it begins; `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(tokens: &[Token]) -> Vec<(usize, Vec<String>)> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        if is_name(&tokens[at].text) {
            at = path(tokens, at, &[], &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// Reads one path that starts at a name; returns where it ends.
fn path(
    tokens: &[Token],
    mut at: usize,
    before: &[String],
    found: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    let start = at;
    let mut names = before.to_vec();
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    loop {
        names.push(text(at).to_owned());
        at += 1;
        if text(at) != "::" {
            break;
        }
        at += 1;
        if text(at) == "{" {
            at += 1;
            while at < tokens.len() && text(at) != "}" {
                let starts = is_name(text(at)) || text(at) == "*";
                at = if starts {
                    path(tokens, at, &names, found)
                } else {
                    at + 1
                };
            }
            return at + 1;
        }
        if !is_name(text(at)) && text(at) != "*" {
            break; // A turbofish.
        }
    }
    found.push((start, names));
    at
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn each_file(check: fn(&str, &str) -> Vec<String>) -> Vec<String> {
    sources()
        .iter()
        .flat_map(|(path, text)| check(path, text))
        .collect()
}

/// As [`each_file`], without the files that are compiled for tests only.
fn each_product_file(check: impl Fn(&str, &str) -> Vec<String>) -> Vec<String> {
    let sources = sources();
    let tests: Vec<String> = sources
        .iter()
        .flat_map(|(path, text)| test_modules(path, text))
        .collect();
    let is_test = |path: &str| {
        let of =
            |test: &String| path == format!("{test}.rs") || path.starts_with(&format!("{test}/"));
        tests.iter().any(of)
    };
    let product = sources.iter().filter(|(path, _)| !is_test(path));
    product.flat_map(|(path, text)| check(path, text)).collect()
}

/// The modules that a file declares for tests only, as paths from src without their ending.
fn test_modules(path: &str, text: &str) -> Vec<String> {
    let folder = match path.strip_suffix("/mod.rs") {
        Some(folder) => format!("{folder}/"),
        None if ["lib.rs", "main.rs"].contains(&path) => String::new(),
        None => format!("{}/", path.strip_suffix(".rs").unwrap_or(path)),
    };
    let declared = |tokens: &[Token]| -> Vec<String> {
        let three = tokens.windows(3);
        let three = three.filter(|three| three[0].text == "mod" && three[2].text == ";");
        three.map(|three| three[1].text.clone()).collect()
    };
    let all = tokens(text);
    let product = declared(&without_tests(all.clone()));
    let tests = declared(&all).into_iter();
    tests
        .filter(|module| !product.contains(module))
        .map(|module| format!("{folder}{module}"))
        .collect()
}

/// Every source file under src, its path from there with `/`.
fn sources() -> Vec<(String, String)> {
    let sources = files("src", "rs");
    assert!(
        sources.len() > DOORS.len(),
        "the sources are not where this test looks"
    );
    let inside = |(path, text): (String, String)| (path["src/".len()..].to_owned(), text);
    sources.into_iter().map(inside).collect()
}

/// Every file under this folder of the repository with this extension, sorted, its path from the
/// top with `/`. Leaves out what was built, what runs left, and hidden folders.
fn files(folder: &str, extension: &str) -> Vec<(String, String)> {
    let (mut files, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
            let last = name.rsplit('/').next().unwrap_or_default();
            let ours = !last.starts_with('.') && !["target", "runs"].contains(&last);
            if path.is_dir() && ours {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                files.push((name.to_owned(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn assert_none(refused: Vec<String>) {
    let list = refused.iter().fold(String::new(), |mut list, what| {
        let _ = writeln!(list, "  {what}");
        list
    });
    assert!(refused.is_empty(), "\n{list}");
}

mod the_checker_itself {
    use super::*;

    #[test]
    fn sees_a_closed_door_however_it_is_written() {
        for source in [
            "use crate::trading::Order;",
            "use crate::{base::Px, trading::{self, Order}};",
            "use crate::{\n    base::Px,\n    trading,\n};",
            "fn f() { crate::trading::go() }",
            "use super::trading::Order;",
            "use crate::*;",
            "use super::*;",
            "#[cfg(test)]\nmod tests { use crate::trading::Order; }",
        ] {
            assert_eq!(doors("strategy/mod.rs", source).len(), 1, "{source}");
        }
        assert_eq!(
            doors("strategy/a/b.rs", "use super::super::super::watch::A;").len(),
            1
        );
        assert_eq!(
            doors("base/mod.rs", "\nuse crate::conn::A;"),
            ["base/mod.rs:2: base may not name conn"]
        );
    }

    #[test]
    fn lets_open_doors_comments_and_strings_pass() {
        for source in [
            "use crate::base::Px; use crate::market::Book; use crate::strategy::Intents;",
            "// use crate::trading::Order;\n/* crate::trading /* nested */ crate::watch */",
            "/// See [`crate::trading`].\nconst A: &str = \"crate::trading \\\" crate::watch\";",
            "const A: &str = r#\"crate::trading \" \"#;\n\
             const Q: char = '\"'; fn f<'a>(a: &'a str) {}",
            "use self::trading::x;",
            "mod tests { use super::*; use super::trading::x; }",
        ] {
            assert_eq!(doors("strategy/mod.rs", source), [""; 0], "{source}");
        }
        assert_eq!(
            doors("strategy/file.rs", "use super::super::market::A;"),
            [""; 0]
        );
    }

    #[test]
    fn sees_the_operating_system_outside_of_tests_only() {
        for source in [
            "use std::time::Instant;",
            "use std::{fmt, time::{Duration, SystemTime}};",
            "let now = std::time::Instant::now();",
            "use std::time;",
            "use std::time::*;",
            "use std::*;",
            "std::thread::spawn(f);",
            "use std::fs::{self, File};\nfn f() {}",
            "use libc::c_int;",
        ] {
            assert!(
                !operating_system("conn/a.rs", source).is_empty(),
                "{source}"
            );
            assert_eq!(
                operating_system("world/os/a.rs", source),
                [""; 0],
                "{source}"
            );
        }
        for source in [
            "use std::time::Duration; use std::io::{self, Read}; use std::net::SocketAddr;",
            "#[cfg(test)]\nmod tests { use std::fs; fn f() { std::thread::sleep(d) } }",
            "#[cfg(test)]\nuse std::fs;\n",
        ] {
            assert_eq!(operating_system("conn/a.rs", source), [""; 0], "{source}");
        }
        let after = "#[cfg(test)] mod tests { fn f() {} }\nuse std::fs;";
        assert_eq!(operating_system("conn/a.rs", after).len(), 1);
    }

    #[test]
    fn sees_an_exchange_in_what_they_share() {
        for source in [
            "use crate::exchange::{Words, okx::Okx};",
            "use super::super::okx::Okx;",
        ] {
            let named = exchanges_named("exchange/kit/a.rs", source);
            assert_eq!(
                named,
                ["exchange/kit/a.rs:1: exchange/kit names okx"],
                "{source}"
            );
        }
        let fine = "use crate::exchange::kit::Value; use super::words; // okx";
        assert_eq!(exchanges_named("exchange/kit/a.rs", fine), [""; 0]);
    }

    #[test]
    fn sees_an_exchange_and_a_strategy_outside_of_their_rooms() {
        let names = ["binance_spot", "okx"].map(str::to_owned);
        for source in [
            "use crate::exchange::binance_spot::mirror;",
            "use crate::exchange::{self, binance_spot as spot};",
            "use crate::exchange; fn f() { exchange::okx::go() }",
            "use crate::exchange::BINANCE;",
            "use tickwire::exchange::okx::Okx as It;",
            "fn f() -> bool { exchange.name() == \"okx\" }",
        ] {
            assert!(
                !named_like("app/a.rs", source, &names).is_empty(),
                "{source}"
            );
        }
        let fine = "/// binance\n#[cfg(test)]\nmod tests { use crate::exchange::okx::Okx; }\n\
                    const A: &str = \"such as okx\"; // okx";
        assert_eq!(named_like("app/a.rs", fine, &names), [""; 0]);

        let kinds = ["imbalance".to_owned()];
        for source in [
            "use crate::strategy::imbalance::Imbalance;",
            "use crate::strategy::{Kind, imbalance::KIND};",
            "use crate::strategy;\nfn f() { strategy::imbalance::new() }",
        ] {
            let named = strategies_named("app/a.rs", source, &kinds);
            assert_eq!(named.len(), 1, "{source}");
        }
        let fine = "use crate::strategy::ALL; fn f(imbalance: f64) { market::imbalance(); }\n\
                    #[cfg(test)]\nuse crate::strategy::imbalance;";
        assert_eq!(strategies_named("app/a.rs", fine, &kinds), [""; 0]);
    }

    #[test]
    fn sees_lines_that_are_too_long() {
        let long = "x".repeat(COLUMNS_MAX + 1);
        let fine = "€".repeat(COLUMNS_MAX);
        for source in [
            format!("{long}\n"),
            format!("\n/// {long}"),
            format!("let a = r#\"\"#;\nlet b = \"{long}\";"),
        ] {
            assert_eq!(long_lines("a.rs", &source).len(), 1, "{source}");
        }
        for source in [
            fine.clone(),
            format!("// see https://a.example/{long}"),
            format!("let a = r#\"{long}\"#;"),
            format!("let a = br#\"\n{long}\n{long}\"#;"),
        ] {
            assert_eq!(long_lines("a.rs", &source), [""; 0], "{source}");
        }
        assert_eq!(long_prose("a.md", &format!("- {long}")).len(), 1);
        assert_eq!(long_prose("a.md", &format!("```\n```\n{long}")).len(), 1);
        for text in [
            fine,
            format!("| {long} |"),
            format!("```\n{long}\n```"),
            format!("    {long}"),
            format!("[words]({long})"),
        ] {
            assert_eq!(long_prose("a.md", &text), [""; 0], "{text}");
        }
    }

    #[test]
    fn sees_the_numbers_of_cases_right_above_tests_only() {
        let source = "/// T7, failure mode 40: at most one.\n/// Always.\n#[test]\nfn one() {}\n\
                      /// T8: no test.\nfn two() {}\n/// T9: apart.\n\n#[test]\nfn three() {}\n\
                      mod a {\n    /// Failure mode 35: lost.\n    #[test]\n    fn four() {}\n}";
        let all = numbered_tests("a.rs", source);
        let all: Vec<_> = all
            .iter()
            .map(|(case, test)| (case.as_str(), test.as_str()))
            .collect();
        let one = [("T7", "a.rs::one"), ("failure mode 40", "a.rs::one")];
        let four = ("failure mode 35", "a.rs::four");
        assert_eq!(all, [one[0], one[1], four]);
    }

    #[test]
    fn knows_the_files_of_tests() {
        let source = "mod a;\n#[cfg(test)]\nmod tests;\n#[cfg(test)]\npub mod b;\nmod c {}";
        assert_eq!(test_modules("x/y.rs", source), ["x/y/tests", "x/y/b"]);
        assert_eq!(test_modules("x/mod.rs", source), ["x/tests", "x/b"]);
        assert_eq!(test_modules("lib.rs", source), ["tests", "b"]);
    }

    #[test]
    fn sees_unsafe_async_and_runtimes() {
        assert_eq!(unsafe_code("conn/a.rs", "let a = unsafe { *p };").len(), 1);
        assert_eq!(unsafe_code("conn/a.rs", "#![allow(unsafe_code)]").len(), 1);
        assert_eq!(
            unsafe_code("lib.rs", "#![deny(unsafe_code)] // unsafe"),
            [""; 0]
        );
        assert_eq!(unsafe_code("world/os/sys.rs", "unsafe {}"), [""; 0]);
        assert_eq!(
            async_code("conn/a.rs", "async fn f() { g().await }").len(),
            2
        );
        assert_eq!(
            runtimes("[dependencies]\ntokio = \"1\"\ntokio-like = \"1\"").len(),
            1
        );
        assert_eq!(runtimes("name = \"async-std\"\nversion = \"1\"").len(), 1);
        assert_eq!(runtimes("description = \"no tokio\"\n# tokio = 1"), [""; 0]);
    }
}
