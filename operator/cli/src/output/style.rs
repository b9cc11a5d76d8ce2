//! Colour. Every colour repeats a word, so that no meaning is lost without it.

use anstyle::{AnsiColor, Style};

/// What a word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Tone {
    /// No meaning of its own.
    #[default]
    Plain,
    /// It is as it should be.
    Good,
    /// It will fail.
    Warning,
    /// It fails now.
    Bad,
    /// A heading.
    Head,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Warning => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default(),
            Self::Head => Style::new().bold(),
        }
    }
}

/// Colours words.
pub trait Paint {
    /// Returns the text in the colour of the tone.
    fn paint(&self, tone: Tone) -> String;
}

impl<T: AsRef<str>> Paint for T {
    fn paint(&self, tone: Tone) -> String {
        let (text, style) = (self.as_ref(), tone.style());
        if tone == Tone::Plain || text.is_empty() {
            return text.to_owned();
        }
        format!("{}{text}{}", style.render(), style.render_reset())
    }
}
