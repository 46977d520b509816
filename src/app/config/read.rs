//! Reads typed values out of a TOML table and collects what is wrong with them. Knows kinds of
//! values and how to complain; knows no section and no key.

use super::ConfigError;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Characters of a wrong value that an error repeats, at most.
const ECHO_MAX: usize = 60;

/// The file being read, and its mistakes so far.
pub(super) struct Reader<'a> {
    pub(crate) path: &'a Path,
    pub(crate) text: &'a str,
    pub(crate) errors: Vec<ConfigError>,
    /// Keys of `[strategy]` and `[risk]` that took their defaults: on paper they may, live they may
    /// not.
    pub(crate) unwritten: Vec<ConfigError>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(path: &'a Path, text: &'a str) -> Self {
        let (errors, unwritten) = (Vec::new(), Vec::new());
        Self {
            path,
            text,
            errors,
            unwritten,
        }
    }

    /// The file's tables; `None`, and its mistakes noted, if it is not TOML at all.
    pub(crate) fn toml(&mut self) -> Option<Spanned<DeTable<'a>>> {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        let mut section_twice = false;
        for error in &errors {
            let (span, message) = (error.span().unwrap_or(0..0), error.message());
            let (key, is_section) = (self.echo(span.clone()), self.is_header(span.start));
            let what = match (message, &*key) {
                ("duplicate key", "strategy" | "feed") if is_section => format!(
                    "[{key}] is there twice: write [[{key}]] with two brackets, once for each"
                ),
                // The parser puts the keys of both sections into one.
                ("duplicate key", _) if section_twice && !is_section => continue,
                ("duplicate key", _) => format!("\"{key}\" is there twice"),
                _ => format!("not TOML: {}", message.replace('\n', "; ")),
            };
            section_twice |= is_section;
            self.refuse(span, what);
        }
        errors.is_empty().then_some(root)
    }

    /// Whether the name at this place is that of a section.
    fn is_header(&self, at: usize) -> bool {
        let before = self.text.get(..at).unwrap_or_default();
        before.trim_end_matches(' ').ends_with('[')
    }

    /// Notes a mistake at this place of the text.
    pub(crate) fn refuse(&mut self, span: Range<usize>, what: String) {
        let error = self.at(span, what);
        self.errors.push(error);
    }

    fn at(&self, span: Range<usize>, what: String) -> ConfigError {
        let before = self.text.get(..span.start).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        ConfigError {
            file: self.path.display().to_string(),
            line: 1 + super::count_lines(before.as_bytes()),
            column: 1 + before[start..].chars().count(),
            what,
        }
    }

    /// The source text of a value on one line, cut short: what the person wrote.
    pub(crate) fn echo(&self, span: Range<usize>) -> String {
        let source = self.text.get(span).unwrap_or_default();
        let line = source.lines().next().unwrap_or_default();
        let cut: String = line.chars().take(ECHO_MAX).collect();
        let dots = if cut.len() < source.len() { "…" } else { "" };
        format!(
            "{}{dots}",
            cut.escape_debug().to_string().replace("\\\"", "\"")
        )
    }
}

/// A text value and where it stands.
pub(super) struct Text<'a> {
    pub(crate) value: &'a str,
    pub(crate) span: Range<usize>,
}

/// One table of the file. Remembers which keys were asked for, so that the others can be refused.
pub(super) struct Section<'a> {
    /// Its name in messages: `[engine]`.
    pub(crate) name: &'static str,
    pub(crate) span: Range<usize>,
    /// `None` if the file has no such table: every key takes its default.
    entries: Option<&'a DeTable<'a>>,
    asked: Vec<&'static str>,
    /// Values are not repeated in errors.
    discreet: bool,
    /// Keys that are not there, and the defaults that they took, as a file would write them.
    defaulted: Vec<(&'static str, String)>,
}

impl<'a> Section<'a> {
    pub(crate) fn new(
        name: &'static str,
        span: Range<usize>,
        entries: Option<&'a DeTable<'a>>,
    ) -> Self {
        Self {
            name,
            span,
            entries,
            asked: Vec::new(),
            discreet: false,
            defaulted: Vec::new(),
        }
    }

    /// A section whose values are not repeated in errors.
    pub(crate) fn discreet(mut self) -> Self {
        self.discreet = true;
        self
    }

    /// Reads keys whose values are not repeated in errors.
    pub(crate) fn discreetly<R>(&mut self, read: impl FnOnce(&mut Self) -> R) -> R {
        let before = std::mem::replace(&mut self.discreet, true);
        let done = read(self);
        self.discreet = before;
        done
    }

    /// The value of a key, if it is there. The key counts as known from now on.
    pub(crate) fn get(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.push(key);
        self.peek(key)
    }

    /// The value of a key, if it is there. The key does not count as known yet.
    pub(crate) fn peek(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        let mut entries = self.entries?.iter();
        entries
            .find(|(name, _)| name.get_ref() == key)
            .map(|(_, value)| value)
    }

    /// The value of a key that has a default, written like this.
    pub(crate) fn get_or(
        &mut self,
        key: &'static str,
        default: impl FnOnce() -> String,
    ) -> Option<&'a Spanned<DeValue<'a>>> {
        let value = self.get(key);
        if value.is_none() {
            self.defaulted.push((key, default()));
        }
        value
    }

    /// One of a few words; the default is the first.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        choices: &[(&str, T)],
        default: T,
    ) -> T {
        let word = || {
            choices
                .first()
                .map_or(String::new(), |(word, _)| format!("\"{word}\""))
        };
        let Some(value) = self.get_or(key, word) else {
            return default;
        };
        let chosen = value.get_ref().as_str();
        if let Some((_, chosen)) = choices.iter().find(|(word, _)| Some(*word) == chosen) {
            return *chosen;
        }
        let words: Vec<String> = choices
            .iter()
            .map(|(word, _)| format!("\"{word}\""))
            .collect();
        let known: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let meant = chosen.and_then(|chosen| nearest(chosen, &known));
        let meant = meant.map(|word| format!("; did you mean \"{word}\"?"));
        let instead = format!("write {}{}", one_of(&words), meant.unwrap_or_default());
        self.wrong(reader, key, value, &instead);
        default
    }

    /// A whole number inside a range.
    pub(crate) fn int(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        let value = self.get(key)?;
        match int_of(value.get_ref()) {
            Some(int) if range.contains(&int) => Some(int),
            _ => {
                let (low, high) = (range.start(), range.end());
                let instead = format!("write a whole number from {low} to {high}");
                self.wrong(reader, key, value, &instead);
                None
            }
        }
    }

    /// Like [`Self::int`], with a default.
    pub(crate) fn int_or(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> u64 {
        if !self.has(key) {
            self.defaulted.push((key, default.to_string()));
        }
        self.int(reader, key, range).unwrap_or(default)
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, reader: &mut Reader, key: &'static str, default: bool) -> bool {
        let Some(value) = self.get(key) else {
            return default;
        };
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.wrong(reader, key, value, "write true or false");
            default
        })
    }

    /// A number above `low` and at most `high`.
    pub(crate) fn ratio(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        (low, high): (f64, f64),
        default: f64,
    ) -> f64 {
        let Some(value) = self.get_or(key, || default.to_string()) else {
            return default;
        };
        let number = match value.get_ref() {
            DeValue::Float(float) => float.as_str().parse::<f64>().ok(),
            whole => int_of(whole).map(|int| int as f64),
        };
        match number {
            Some(number) if number > low && number < high => number,
            _ => {
                let instead = format!("write a number above {low} and below {high}");
                self.wrong(reader, key, value, &instead);
                default
            }
        }
    }

    /// A text that is not empty.
    pub(crate) fn text(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        example: &str,
    ) -> Option<Text<'a>> {
        let value = self.get(key)?;
        let (text, span) = (value.get_ref().as_str(), value.span());
        let found = text.filter(|text| !text.trim().is_empty());
        if found.is_none() {
            self.wrong(
                reader,
                key,
                value,
                &format!("write a text, like {key} = {example}"),
            );
        }
        found.map(|value| Text { value, span })
    }

    /// A text that must be there.
    pub(crate) fn required(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        example: &str,
    ) -> Option<Text<'a>> {
        if self.has(key) {
            return self.text(reader, key, example);
        }
        self.asked.push(key);
        self.missing(reader, key, example);
        None
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries
            .is_some_and(|entries| entries.iter().any(|(name, _)| name.get_ref() == key))
    }

    /// The file has no such table.
    pub(crate) fn absent(&self) -> bool {
        self.entries.is_none()
    }

    pub(crate) fn missing(&self, reader: &mut Reader, key: &str, example: &str) {
        reader.refuse(self.span.clone(), self.needs(key, example));
    }

    fn needs(&self, key: &str, example: &str) -> String {
        format!("{} needs {key}: write {key} = {example}", self.name)
    }

    /// Like [`Self::finish`], and notes the keys that took their defaults.
    pub(crate) fn finish_noting(self, reader: &mut Reader) {
        for (key, default) in &self.defaulted {
            let error = reader.at(self.span.clone(), self.needs(key, default));
            reader.unwritten.push(error);
        }
        self.finish(reader);
    }

    /// Refuses a value and says what to write instead.
    pub(crate) fn wrong(
        &self,
        reader: &mut Reader,
        key: &str,
        value: &Spanned<DeValue<'a>>,
        instead: &str,
    ) {
        self.wrong_at(reader, key, value.span(), instead);
    }

    pub(crate) fn wrong_at(
        &self,
        reader: &mut Reader,
        key: &str,
        span: Range<usize>,
        instead: &str,
    ) {
        let what = match self.discreet {
            true => format!("{key} in {}: {instead}", self.name),
            false => format!("{key} = {}: {instead}", reader.echo(span.clone())),
        };
        reader.refuse(span, what);
    }

    /// Refuses every key that nobody asked for.
    pub(crate) fn finish(self, reader: &mut Reader) {
        for (key, value) in self.entries.into_iter().flat_map(|entries| entries.iter()) {
            let name: &str = key.get_ref();
            if self.asked.contains(&name) {
                continue;
            }
            let what = if is_secret(name) {
                format!(
                    "\"{name}\" in {}: keys do not belong in this file; keep them in files of mode \
                     0600 and write api_key_file and private_key_file in [account] (a path, \
                     \"credential:NAME\" or \"env:NAME\"), or api_key_command and \
                     private_key_command (a program that prints them)",
                    self.name
                )
            } else {
                let kind = if value.get_ref().is_table() {
                    "table"
                } else {
                    "key"
                };
                format!(
                    "unknown {kind} \"{name}\" in {}{}",
                    self.name,
                    self.hint(name)
                )
            };
            reader.refuse(key.span(), what);
        }
    }

    fn hint(&self, name: &str) -> String {
        match nearest(name, &self.asked) {
            Some(known) => format!("; did you mean \"{known}\"?"),
            None => format!("; known: {}", self.asked.join(", ")),
        }
    }
}

/// `a, b or c`.
pub(super) fn one_of(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// The known word that differs from this one by at most a third of its letters.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let near = known
        .iter()
        .map(|known| (distance(word, known), *known))
        .min()?;
    (near.0 * 3 <= word.chars().count().max(3)).then_some(near.1)
}

/// Edits (insert, delete, replace, swap of neighbours) between two words.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = match (i, j) {
                (0, _) => j,
                (_, 0) => i,
                _ => {
                    let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                    let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                    if swapped {
                        best.min(rows[i - 2][j - 2] + 1)
                    } else {
                        best
                    }
                }
            };
        }
    }
    rows[a.len()][b.len()]
}

fn int_of(value: &DeValue) -> Option<u64> {
    let int = value.as_integer()?;
    u64::from_str_radix(int.as_str(), int.radix()).ok()
}

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    [
        "secret",
        "password",
        "passphrase",
        "private_key",
        "api_key",
        "apikey",
        "token",
    ]
    .iter()
    .any(|word| key.contains(word))
        && !key.contains("file")
        && !key.contains("command")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_a_slip_and_a_loss_are_one_edit_each() {
        for (written, meant) in [("wiat", "wait"), ("wsit", "wait"), ("wit", "wait")] {
            assert_eq!(distance(written, meant), 1, "{written}");
            assert_eq!(nearest(written, &["depth", "wait"]), Some("wait"));
        }
        assert_eq!(distance("", "wait"), 4);
        assert_eq!(nearest("colour", &["depth", "wait"]), None);
    }

    #[test]
    fn a_list_of_words_reads_as_a_sentence() {
        let words = |list: &[&str]| one_of(&list.iter().map(|w| w.to_string()).collect::<Vec<_>>());
        assert_eq!(words(&["a"]), "a");
        assert_eq!(words(&["a", "b", "c"]), "a, b or c");
    }
}
