//! Scans JSON from the API server as it arrives: removes unused parts, and splits lists and watches into objects.
//!
//! Holds at most one object in memory. Without recursion, no depth of nesting can exhaust the stack. Must not know any
//! kind of object, nor whether an object can be decoded.

use path::{Field, Name, Path, Slot};

mod path;

/// The longest member name of interest.
const LONGEST_NAME: usize = 64;
/// The longest text in `Captured`; longer ones are left out. The continue token of a list is the longest of interest.
const LONGEST_CAPTURE: usize = 4096;

/// The shape of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Any answer: passed on without the unused parts, and not split.
    Any,
    /// A list: an object with `items`.
    List,
    /// A watch: objects with `type` and `object`, one after the other.
    Watch,
}

/// The strings that identify an object, also if the object cannot be decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Captured {
    /// The event of a watch: `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`.
    pub(crate) event: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) resource_version: String,
    /// The continue token of a list.
    pub(crate) next_page: String,
}

/// One object of a list or a watch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// None if the object exceeds the limit.
    pub(crate) text: Option<Vec<u8>>,
    pub(crate) captured: Captured,
}

/// The state of a scan.
pub(crate) struct Scanner {
    shape: Shape,
    longest: usize,
    path: Path,
    in_string: bool,
    escaped: bool,
    name: Option<Vec<u8>>,
    capture: Option<(Slot, Vec<u8>)>,
    /// The depth of the value that is being left out.
    cut: Option<usize>,
    /// The depth of the current object.
    item: Option<usize>,
    is_too_long: bool,
    text: Vec<u8>,
    captured: Captured,
    of_list: Captured,
}

impl Scanner {
    /// Objects of more than `longest` bytes are not kept.
    pub(crate) fn new(shape: Shape, longest: usize) -> Self {
        Self {
            shape,
            longest,
            path: Path::new(),
            in_string: false,
            escaped: false,
            name: None,
            capture: None,
            cut: None,
            item: None,
            is_too_long: false,
            text: Vec::new(),
            captured: Captured::default(),
            of_list: Captured::default(),
        }
    }

    /// Scans a piece of the text, and emits each object that is complete.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut emit: impl FnMut(Item)) {
        let mut rest = bytes;
        while let Some((byte, after)) = rest.split_first() {
            if self.in_string && !self.escaped {
                let end = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(rest.len());
                let (plain, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
                self.within_string(plain);
                let Some((byte, after)) = after.split_first() else { return };
                self.escaped = *byte == b'\\';
                if self.escaped {
                    self.forget_texts();
                } else {
                    self.in_string = false;
                    self.end_of_string();
                }
                self.copy(&[*byte]);
                rest = after;
                continue;
            }
            if self.in_string {
                self.escaped = false;
                self.copy(&[*byte]);
            } else {
                self.outside(*byte, &mut emit);
            }
            rest = after;
        }
    }

    /// Takes the text that has been passed on since the last call. Only for `Shape::Any`.
    pub(crate) fn passed_on(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.text)
    }

    /// The metadata of a list that has been scanned.
    pub(crate) fn of_list(&self) -> &Captured {
        &self.of_list
    }

    /// Whether the text is complete.
    pub(crate) fn is_complete(&self) -> bool {
        self.path.depth == 0 && !self.in_string
    }

    fn outside(&mut self, byte: u8, emit: &mut impl FnMut(Item)) {
        match byte {
            b'"' => {
                self.copy(b"\"");
                self.begin_string();
                return;
            }
            b'{' | b'[' => {
                if byte == b'{' && self.path.is_at_item(self.shape) {
                    self.item = Some(self.path.depth);
                }
                self.path.open(byte == b'{');
            }
            b'}' | b']' => {
                self.close(byte, emit);
                return;
            }
            b':' => {
                self.copy(b":");
                self.begin_value();
                return;
            }
            b',' => {
                if self.cut == Some(self.path.depth) {
                    self.cut = None;
                }
                if let Some(frame) = self.path.current() {
                    frame.name_next = frame.is_object;
                }
            }
            _ => {}
        }
        self.copy(&[byte]);
    }

    fn close(&mut self, byte: u8, emit: &mut impl FnMut(Item)) {
        if self.cut == Some(self.path.depth) {
            self.cut = None;
        }
        self.copy(&[byte]);
        self.path.close();
        let ends = match self.shape {
            Shape::Any => false,
            Shape::List => self.item == Some(self.path.depth),
            // In a watch, the event's type is outside the object.
            Shape::Watch => self.path.depth == 0,
        };
        if ends {
            let text = std::mem::take(&mut self.text);
            let text = (!std::mem::take(&mut self.is_too_long)).then_some(text);
            emit(Item { text, captured: std::mem::take(&mut self.captured) });
        }
        if self.item == Some(self.path.depth) {
            self.item = None;
        }
    }

    fn begin_string(&mut self) {
        self.in_string = true;
        let slot = self.path.slot(self.shape);
        let Some(frame) = self.path.current() else { return };
        if frame.is_object && frame.name_next {
            self.name = Some(Vec::new());
        } else {
            self.capture = slot.map(|slot| (slot, Vec::new()));
        }
    }

    fn within_string(&mut self, plain: &[u8]) {
        let take = |text: &mut Option<Vec<u8>>, longest: usize| {
            if let Some(taken) = text {
                if taken.len().saturating_add(plain.len()) > longest {
                    *text = None;
                } else {
                    taken.extend(plain);
                }
            }
        };
        take(&mut self.name, LONGEST_NAME);
        if let Some((slot, text)) = self.capture.take() {
            let mut text = Some(text);
            take(&mut text, LONGEST_CAPTURE);
            self.capture = text.map(|text| (slot, text));
        }
        self.copy(plain);
    }

    /// A text with an escape is of no interest.
    fn forget_texts(&mut self) {
        (self.name, self.capture) = (None, None);
    }

    fn end_of_string(&mut self) {
        if let Some((slot, text)) = self.capture.take() {
            let text = String::from_utf8(text).unwrap_or_default();
            let (captured, field) = match slot {
                Slot::Event => {
                    self.captured.event = text;
                    return;
                }
                Slot::Item(field) => (&mut self.captured, field),
                Slot::List(field) => (&mut self.of_list, field),
            };
            *match field {
                Field::Name => &mut captured.name,
                Field::Namespace => &mut captured.namespace,
                Field::Uid => &mut captured.uid,
                Field::ResourceVersion => &mut captured.resource_version,
                Field::Continue => &mut captured.next_page,
            } = text;
        }
        let name = self.name.take();
        if let Some(frame) = self.path.current()
            && frame.is_object
            && frame.name_next
        {
            frame.member = name.map_or(Name::Other, |name| Name::of(&name));
        }
    }

    /// Called after a name. The value that follows may have to be left out.
    fn begin_value(&mut self) {
        let Some(frame) = self.path.current() else { return };
        frame.name_next = false;
        if self.cut.is_some() {
            return;
        }
        if let Some(instead) = self.path.instead(self.shape) {
            self.copy(instead);
            self.cut = Some(self.path.depth);
        }
    }

    fn copy(&mut self, bytes: &[u8]) {
        if self.cut.is_some() {
            return;
        }
        match (self.shape, self.item) {
            (Shape::Any, _) => self.text.extend(bytes),
            (_, Some(_)) if !self.is_too_long => {
                self.is_too_long = self.text.len().saturating_add(bytes.len()) > self.longest;
                if self.is_too_long {
                    self.text = Vec::new();
                } else {
                    self.text.extend(bytes);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
