//! Formats numbers, tables and bar charts for pages, as Markdown that is readable both as text and rendered.

use std::fmt::Write;

/// Width of the longest bar, in characters.
const BAR: u64 = 40;

/// Formats a number with a comma between groups of three digits.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A Markdown table. Columns of numbers are aligned to the right.
#[must_use]
pub fn table<const COLUMNS: usize>(header: [&str; COLUMNS], rows: &[[String; COLUMNS]]) -> String {
    let widths: [usize; COLUMNS] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0).max(header[column].chars().count())
    });
    let numeric: [bool; COLUMNS] =
        std::array::from_fn(|column| rows.iter().all(|row| is_number(&row[column])));
    let mut text = String::new();
    let mut line = |cells: [&str; COLUMNS]| {
        for ((cell, width), numeric) in cells.iter().zip(widths).zip(numeric) {
            if numeric {
                write!(text, "| {cell:>width$} ").expect("a string takes everything");
            } else {
                write!(text, "| {cell:<width$} ").expect("a string takes everything");
            }
        }
        text.push_str("|\n");
    };
    line(header);
    let rules: [String; COLUMNS] = std::array::from_fn(|column| {
        if numeric[column] {
            format!("{}:", "-".repeat(widths[column] - 1))
        } else {
            "-".repeat(widths[column])
        }
    });
    line(rules.each_ref().map(String::as_str));
    for row in rows {
        line(row.each_ref().map(String::as_str));
    }
    text
}

/// A bar chart as a block of text: the lengths are proportional to the values, which follow the bars.
#[must_use]
pub fn bars(unit: &str, rows: &[(&str, u64)]) -> String {
    let most = rows.iter().map(|row| row.1).max().unwrap_or(0).max(1);
    let width = rows.iter().map(|row| row.0.chars().count()).max();
    let width = width.unwrap_or(0);
    let mut text = format!("```text\n{unit}\n");
    for (name, value) in rows {
        // At least one character, so that small values are visible.
        let length = (value * BAR / most).max(1);
        let bar = "█".repeat(usize::try_from(length).expect("a bar has few columns"));
        writeln!(text, "{name:<width$}  {bar} {}", grouped(*value))
            .expect("a string takes everything");
    }
    text.push_str("```\n");
    text
}

fn is_number(cell: &str) -> bool {
    cell.chars().all(|c| c.is_ascii_digit() || c == ',')
}

#[cfg(test)]
mod tests {
    use super::{bars, grouped, table};

    #[test]
    fn digits_are_grouped_by_three() {
        let numbers = [0, 999, 1_000, 1_400_000].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "1,400,000"]);
    }

    #[test]
    fn numbers_are_aligned_to_the_right() {
        let rows = [
            ["settle".to_owned(), "14,000".to_owned()],
            ["release".to_owned(), "9".to_owned()],
        ];
        let expected = "| name    |     CU |\n\
                        | ------- | -----: |\n\
                        | settle  | 14,000 |\n\
                        | release |      9 |\n";
        assert_eq!(table(["name", "CU"], &rows), expected);
    }

    #[test]
    fn bars_are_proportional_and_never_empty() {
        let text = bars("lamports", &[("one", 1_000), ("half", 500), ("none", 0)]);
        let lengths: Vec<usize> = text.lines().map(|line| line.matches('█').count()).collect();
        assert_eq!(lengths, [0, 0, 40, 20, 1, 0]);
    }
}
