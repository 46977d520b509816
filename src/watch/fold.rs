//! Lines that are wider than a terminal, folded between words. Cuts nothing off.

/// Where a continuation begins at most, so that it has room.
const INDENT_MAX: usize = 40;

/// `text` with every line that is wider than `columns` folded. What continues a line stands below
/// its last column of words: where two spaces or more ended, else a little to the right of its
/// beginning.
pub(crate) fn fold(text: &str, columns: usize) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    for line in text.split_inclusive('\n') {
        let (line, end) = match line.strip_suffix('\n') {
            Some(line) => (line, "\n"),
            None => (line, ""),
        };
        match line.chars().count() > columns {
            true => fold_line(line, columns, &mut out),
            false => out += line,
        }
        out += end;
    }
    out
}

fn fold_line(line: &str, columns: usize, out: &mut String) {
    let indent = indent(line, INDENT_MAX.min(columns / 2));
    let (mut used, mut fresh) = (0, true);
    let beginning = line.len() - line.trim_start_matches(' ').len();
    out.push_str(&line[..beginning]);
    used += beginning;
    for word in line[beginning..].split_inclusive(' ') {
        let width = word.trim_end_matches(' ').chars().count();
        // A word that has the line for itself stays whole: a path can then still be copied.
        if !fresh && used + width > columns && width > 0 {
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            used = indent;
        }
        out.push_str(word);
        used += word.chars().count();
        fresh = false;
    }
}

/// Where the last column of words before `max` begins.
fn indent(line: &str, max: usize) -> usize {
    let beginning = line.len() - line.trim_start_matches(' ').len();
    let (mut indent, mut spaces) = (beginning + 2, 0);
    for (at, c) in line.chars().enumerate().take(max + 1) {
        match c {
            ' ' => spaces += 1,
            _ if spaces >= 2 => (indent, spaces) = (at, 0),
            _ => spaces = 0,
        }
    }
    match indent > beginning {
        true => indent.min(max),
        false => (beginning + 2).min(max), // Only the line's own beginning.
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_continues_below_its_last_column_of_words() {
        let text = "memory       books  0.12 MiB  two instruments of three sides\n  a plain one \
                    that is long enough to be folded\nshort\n";
        let below = " ".repeat(20);
        assert_eq!(
            fold(text, 44),
            format!(
                "memory       books  0.12 MiB  two\n{below}instruments of three\n{below}sides\n  a \
                 plain one that is long enough to be\n    folded\nshort\n"
            )
        );
    }

    #[test]
    fn a_word_that_is_wider_than_the_terminal_stays_whole() {
        let path = "x".repeat(100);
        let text = format!("files: {path} and more");
        assert_eq!(fold(&text, 80), format!("files:\n  {path}\n  and more"));
    }

    proptest! {
        #[test]
        fn folding_loses_no_word_and_keeps_to_the_width(
            words in proptest::collection::vec("[a-zé]{1,12}", 1..60),
            columns in 24_usize..100,
        ) {
            let text = words.join(" ");
            let folded = fold(&text, columns);
            let again: Vec<&str> = folded.split_whitespace().collect();
            prop_assert_eq!(again, words);
            for line in folded.lines() {
                prop_assert!(line.chars().count() <= columns, "{}", line);
            }
        }
    }
}
