//! Lists the mutants of the program.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::Path;

use proc_macro2::LineColumn;
use serde::Deserialize;
use syn::spanned::Spanned;
use syn::visit::Visit;

use super::{cargo, failed};

/// Folder of the program's sources.
const SOURCES: &str = "programs/farthing/src";

/// A mutant: a change in one place of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutant {
    /// Number in the list, from 1.
    pub id: u32,
    /// Path of the source file, relative to the workspace.
    pub file: String,
    /// Human-readable place and description of the change.
    pub name: String,
    /// The kind of change.
    pub kind: MutantKind,
    /// The range of bytes in the file that `replacement` replaces.
    pub range: Range<usize>,
    /// The replacement text.
    pub replacement: String,
}

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MutantKind {
    /// The body of a function returns a value immediately.
    Body,
    /// A statement is removed.
    Statement,
    /// A part of an expression is replaced by another one.
    Expression,
}

#[derive(Deserialize)]
struct Listed {
    file: String,
    genre: String,
    name: String,
    replacement: String,
    span: Span,
}

#[derive(Deserialize)]
struct Span {
    start: Position,
    end: Position,
}

#[derive(Deserialize)]
struct Position {
    line: usize,
    column: usize,
}

/// All mutants of the program: those of `cargo mutants`, and the removal of each guard.
///
/// # Errors
/// If `cargo mutants` is missing or a source cannot be read.
pub fn of_the_program(root: &Path) -> io::Result<Vec<Mutant>> {
    let mut mutants = listed_by_cargo_mutants(root)?;
    let mut files: Vec<String> = mutants.iter().map(|mutant| mutant.file.clone()).collect();
    files.sort();
    files.dedup();
    for file in files {
        let source = fs::read_to_string(root.join(&file))?;
        mutants.extend(guards(&file, &source)?);
    }
    for (index, mutant) in mutants.iter_mut().enumerate() {
        mutant.id = u32::try_from(index + 1).map_err(io::Error::other)?;
    }
    Ok(mutants)
}

fn listed_by_cargo_mutants(root: &Path) -> io::Result<Vec<Mutant>> {
    let output = cargo(root)
        .args(["mutants", "--list", "--json", "-p", "farthing"])
        .output()?;
    if !output.status.success() {
        return Err(failed(format!(
            "cargo mutants --list failed; install it with `cargo install --locked cargo-mutants`: {}",
            String::from_utf8_lossy(&output.stderr)
        )));
    }
    let listed: Vec<Listed> = serde_json::from_slice(&output.stdout)?;
    listed
        .into_iter()
        .filter(|mutant| mutant.file.starts_with(SOURCES))
        .map(|mutant| {
            let source = fs::read_to_string(root.join(&mutant.file))?;
            Ok(Mutant {
                id: 0,
                kind: match mutant.genre.as_str() {
                    "FnValue" => MutantKind::Body,
                    _ => MutantKind::Expression,
                },
                range: offset(&source, &mutant.span.start.to_line_column())
                    ..offset(&source, &mutant.span.end.to_line_column()),
                file: mutant.file,
                name: mutant.name,
                replacement: mutant.replacement,
            })
        })
        .collect()
}

impl Position {
    /// `cargo mutants` counts columns from 1, `proc_macro2` from 0.
    fn to_line_column(&self) -> LineColumn {
        LineColumn {
            line: self.line,
            column: self.column - 1,
        }
    }
}

/// Collects the removal of each `require!` statement.
fn guards(file: &str, source: &str) -> io::Result<Vec<Mutant>> {
    struct Guards<'a> {
        file: &'a str,
        source: &'a str,
        found: Vec<Mutant>,
    }
    impl Visit<'_> for Guards<'_> {
        fn visit_stmt_macro(&mut self, statement: &syn::StmtMacro) {
            if statement.mac.path.is_ident("require") {
                let range = range(self.source, statement);
                let rule = self.source[range.clone()]
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ");
                let line = statement.span().start().line;
                self.found.push(Mutant {
                    id: 0,
                    file: self.file.to_owned(),
                    name: format!("{}:{line}: remove {rule}", self.file),
                    kind: MutantKind::Statement,
                    range,
                    replacement: String::new(),
                });
            }
        }
    }
    let parsed = syn::parse_file(source).map_err(io::Error::other)?;
    let mut guards = Guards {
        file,
        source,
        found: Vec::new(),
    };
    guards.visit_file(&parsed);
    Ok(guards.found)
}

/// The range of bytes of a part of a source.
pub fn range(source: &str, part: &impl Spanned) -> Range<usize> {
    let span = part.span();
    offset(source, &span.start())..offset(source, &span.end())
}

/// The byte offset of a line and a column; the column is counted in characters.
fn offset(source: &str, at: &LineColumn) -> usize {
    let line_start: usize = source
        .split_inclusive('\n')
        .take(at.line - 1)
        .map(str::len)
        .sum();
    let in_line: usize = source[line_start..]
        .chars()
        .take(at.column)
        .map(char::len_utf8)
        .sum();
    line_start + in_line
}
