//! Rewrites a source so that it contains all its mutants, each behind a switch.

use std::io;
use std::ops::Range;

use syn::visit::{self, Visit};

use super::list::{Mutant, MutantKind, range};

/// Marker at which the switch is found in the bytecode. It is followed by the number of the active mutant as a
/// little-endian u32.
pub const MARKER: &[u8; 16] = b"farthing.mutant=";

/// Source of the module that reads the switch. The number is data in the bytecode that the compiler cannot optimise
/// away.
pub const MODULE: &str = r#"
mod mutant_switch {
    #[used]
    static SWITCH: [u8; 20] = *b"farthing.mutant=\0\0\0\0";

    #[inline(never)]
    pub fn is_on(id: u32) -> bool {
        let [.., a, b, c, d] = *core::hint::black_box(&SWITCH);
        u32::from_le_bytes([a, b, c, d]) == id
    }
}
"#;

/// A source with switches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switched {
    /// The text.
    pub text: String,
    /// The ranges of inserted bytes, with the number of the mutant of each.
    pub inserted: Vec<(Range<usize>, u32)>,
}

/// Text to be inserted into the source for a mutant.
struct Insertion {
    at: usize,
    /// Order among insertions at the same place: outer ones are opened first and closed last.
    order: (u8, i64, i64),
    text: String,
    id: u32,
}

/// Inserts every change of `mutants` behind a switch.
///
/// # Errors
/// If the source does not parse, or a change is not inside an expression.
pub fn switched(source: &str, mutants: &[&Mutant]) -> io::Result<Switched> {
    let parsed = syn::parse_file(source).map_err(io::Error::other)?;
    let mut expressions = Expressions {
        source,
        found: Vec::new(),
    };
    expressions.visit_file(&parsed);

    let mut insertions = Vec::new();
    for mutant in mutants {
        let is_on = format!("if crate::mutant_switch::is_on({})", mutant.id);
        let replacement = &mutant.replacement;
        let (around, before, after) = match mutant.kind {
            MutantKind::Body => (
                // Outside of all other changes that begin here.
                mutant.range.start..usize::MAX >> 1,
                format!("{is_on} {{ return {replacement}; }} "),
                String::new(),
            ),
            MutantKind::Statement => (
                mutant.range.clone(),
                format!("{is_on} {{ {replacement} }} else {{ "),
                " }".to_owned(),
            ),
            MutantKind::Expression => {
                let around = expressions.around(&mutant.range).ok_or_else(|| {
                    io::Error::other(format!("{} is not inside an expression", mutant.name))
                })?;
                let changed = [
                    &source[around.start..mutant.range.start],
                    replacement,
                    &source[mutant.range.end..around.end],
                ]
                .concat();
                let before = format!("({is_on} {{ {changed} }} else {{ ");
                (around, before, " })".to_owned())
            }
        };
        let (start, end, id) = (around.start as i64, around.end as i64, i64::from(mutant.id));
        insertions.push(Insertion {
            at: around.start,
            order: (1, -end, id),
            text: before,
            id: mutant.id,
        });
        if !after.is_empty() {
            insertions.push(Insertion {
                at: around.end,
                order: (0, -start, -id),
                text: after,
                id: mutant.id,
            });
        }
    }
    insertions.sort_by_key(|insertion| (insertion.at, insertion.order));
    Ok(insert(source, &insertions))
}

fn insert(source: &str, insertions: &[Insertion]) -> Switched {
    let mut switched = Switched {
        text: String::new(),
        inserted: Vec::new(),
    };
    let mut done = 0;
    for insertion in insertions {
        switched.text.push_str(&source[done..insertion.at]);
        done = insertion.at;
        let start = switched.text.len();
        switched.text.push_str(&insertion.text);
        let range = start..switched.text.len();
        switched.inserted.push((range, insertion.id));
    }
    switched.text.push_str(&source[done..]);
    // A switch cannot be read at compile time, so functions must not be `const`; hardly any needs to be.
    if !insertions.is_empty() {
        switched.text = switched.text.replace("const fn ", "      fn ");
    }
    switched
}

/// The expressions that a change can be inside of.
struct Expressions<'a> {
    source: &'a str,
    found: Vec<Range<usize>>,
}

impl Expressions<'_> {
    /// The smallest expression that contains a range.
    fn around(&self, inner: &Range<usize>) -> Option<Range<usize>> {
        self.found
            .iter()
            .filter(|outer| outer.start <= inner.start && inner.end <= outer.end)
            .min_by_key(|outer| outer.len())
            .cloned()
    }
}

impl<'ast> Visit<'ast> for Expressions<'_> {
    fn visit_expr(&mut self, expression: &'ast syn::Expr) {
        if matches!(
            expression,
            syn::Expr::Binary(_) | syn::Expr::Unary(_) | syn::Expr::Struct(_) | syn::Expr::Match(_)
        ) {
            self.found.push(range(self.source, expression));
        }
        visit::visit_expr(self, expression);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutant(id: u32, kind: MutantKind, source: &str, from: &str, to: &str) -> Mutant {
        let start = source.find(from).expect("it is there");
        Mutant {
            id,
            file: String::new(),
            name: String::new(),
            kind,
            range: start..start + from.len(),
            replacement: to.to_owned(),
        }
    }

    #[test]
    fn changes_nest() {
        let source = "fn f(a: u8, b: u8) -> bool { require!(a); a + 1 == b }";
        let body = mutant(
            1,
            MutantKind::Body,
            source,
            "require!(a); a + 1 == b",
            "true",
        );
        let equal = mutant(2, MutantKind::Expression, source, "==", "!=");
        let plus = mutant(3, MutantKind::Expression, source, "+", "-");
        let guard = mutant(4, MutantKind::Statement, source, "require!(a);", "");
        let switched = switched(source, &[&body, &equal, &plus, &guard]).expect("it parses");
        let on = |id| format!("if crate::mutant_switch::is_on({id})");
        let expected = [
            "fn f(a: u8, b: u8) -> bool { ",
            &on(1),
            " { return true; } ",
            &on(4),
            " {  } else { require!(a); } (",
            &on(2),
            " { a + 1 != b } else { (",
            &on(3),
            " { a - 1 } else { a + 1 }) == b }) }",
        ];
        assert_eq!(switched.text, expected.concat());
        for (range, id) in &switched.inserted {
            let text = &switched.text[range.clone()];
            assert!(text.contains(&on(*id)) || text.starts_with(" }"), "{text}");
        }
    }
}
