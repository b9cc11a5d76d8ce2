//! The steps of a kubelet for a terminal.

use super::Terminal;
use super::table::{hanging, wrapped};
use crate::explain::{Explanation, Step};

/// The columns before the sentence of a step: its mark and its name.
const BEFORE: usize = 17;

/// Returns the lines of an explanation. Sentences are broken where the terminal ends. Names and the command that fixes the
/// problem are not, because people copy them.
pub fn explanation_text(explanation: &Explanation, terminal: Terminal) -> String {
    let mut lines = vec![explanation.subject.clone()];
    for part in &explanation.parts {
        lines.push(format!("{}   {}", part.name, part.used_by).trim_end().to_owned());
        for step in &part.steps {
            lines.extend(in_columns(step, terminal));
        }
    }
    lines.extend(wrapped(&explanation.outcome, terminal.width.unwrap_or(usize::MAX)));
    lines.extend(explanation.fix.iter().map(|fix| format!("do: {fix}")));
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

fn in_columns(step: &Step, terminal: Terminal) -> Vec<String> {
    let room = terminal.width.map_or(usize::MAX, |width| width.saturating_sub(BEFORE));
    let first = format!("  {} {:<12} ", step.mark.sign(!terminal.unicode), step.step);
    hanging(&step.text, room, &first, &" ".repeat(BEFORE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::Mark;

    #[test]
    fn sentences_of_steps_are_broken_under_themselves() {
        let step = Step {
            mark: Mark::Bad,
            step: "references",
            text: "none: the Pod was admitted without, and account default has it now".to_owned(),
        };
        let lines = |width| {
            let terminal = Terminal { width, unicode: true };
            in_columns(&step, terminal)
        };
        assert_eq!(
            lines(Some(60)),
            [
                "  × references   none: the Pod was admitted without, and",
                "                 account default has it now",
            ]
        );
        assert_eq!(
            lines(None),
            ["  × references   none: the Pod was admitted without, and account default has it now"]
        );
    }
}
