//! Reads the pickles that PyTorch writes, as data.
//!
//! A pickle is a program for a stack machine that may call any Python function. This reader runs none: it knows the
//! instructions that build plain data, and for `REDUCE` a handful of names that stand for data too (below). Everything
//! else is refused with its name. Specification: the opcode table of Python's `pickletools`, protocols 2 to 4.

use std::collections::HashMap;

/// Most values of a pickle, written out, and deepest nesting: a checkpoint stays far below both.
const VALUES: usize = 1 << 18;
const DEPTH: usize = 32;

/// A value of a pickle.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A string.
    Text(String),
    /// A list, tuple or set.
    List(Vec<Value>),
    /// A dictionary in order of insertion.
    Dict(Vec<(Value, Value)>),
    /// A ratio of two integers (`fractions.Fraction`).
    Fraction(i64, i64),
    /// The name of a class, `module.name`. It is never looked up.
    Class(String),
    /// A reference to a storage outside of the pickle.
    Storage {
        /// Class of the storage, e.g. `HalfStorage`.
        kind: String,
        /// Name of the file with its bytes.
        key: String,
        /// Elements.
        len: usize,
    },
    /// A tensor over a storage.
    Tensor {
        /// Class of the storage, e.g. `HalfStorage`.
        kind: String,
        /// Name of the file with its bytes.
        key: String,
        /// First element.
        offset: usize,
        /// Elements along each axis.
        shape: Vec<usize>,
        /// Elements between neighbours along each axis.
        stride: Vec<usize>,
    },
}

impl Value {
    /// The value of a key of a dictionary.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Dict(entries) = self else { return None };
        entries.iter().find(|(k, _)| matches!(k, Self::Text(text) if text == key)).map(|(_, value)| value)
    }
}

/// Why a pickle is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PickleError {
    /// It would call or construct something that is not data.
    #[error("the file would run {0}: refused")]
    Code(String),
    /// An instruction that PyTorch's own files do not have.
    #[error("instruction 0x{0:02x} at byte {1} is not one of a checkpoint: refused")]
    Instruction(u8, usize),
    /// It ends early, or an instruction does not find what it needs.
    #[error("damaged at byte {0}")]
    Damaged(usize),
    /// More values, or deeper ones, than a checkpoint has.
    #[error("too large or too deep")]
    TooLarge,
}

/// Reads a pickle to its end.
///
/// # Errors
/// See [`PickleError`]. Memory is bounded by a small multiple of the input's length and a constant.
pub fn read(bytes: &[u8]) -> Result<Value, PickleError> {
    let mut machine = Machine {
        bytes,
        at: 0,
        nodes: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        left: 4 * VALUES,
    };
    let root = machine.run()?;
    machine.write_out(root)
}

type Step<T = ()> = Result<T, PickleError>;

/// A value of the machine: containers refer to their items, since a pickle may fill them after it has named them.
enum Node {
    Leaf(Value),
    List(Vec<usize>),
    Dict(Vec<usize>),
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    stack: Vec<usize>,
    marks: Vec<usize>,
    memo: HashMap<u32, usize>,
    /// Values that may still be written out.
    left: usize,
}

impl Machine<'_> {
    #[rustfmt::skip]
    fn run(&mut self) -> Step<usize> {
        loop {
            let at = self.at;
            match self.byte()? {
                0x80 => drop(self.take::<1>()?),                   // PROTO
                0x95 => drop(self.take::<8>()?),                   // FRAME
                b'.' => return self.pop(),                         // STOP
                b'(' => self.marks.push(self.stack.len()),         // MARK
                b'0' => drop(self.pop()?),                         // POP
                b'N' => self.leaf(Value::None),                    // NONE
                0x88 => self.leaf(Value::Bool(true)),              // NEWTRUE
                0x89 => self.leaf(Value::Bool(false)),             // NEWFALSE
                b'K' => self.unsigned::<1>()?,                     // BININT1
                b'M' => self.unsigned::<2>()?,                     // BININT2
                b'J' => { let four = self.take()?; self.leaf(Value::Int(i32::from_le_bytes(four).into())) } // BININT
                0x8a => { let len = self.byte()?; self.long(len.into())? }                          // LONG1
                b'G' => { let eight = self.take()?; self.leaf(Value::Float(f64::from_be_bytes(eight))) } // BINFLOAT
                b'X' => { let len = self.word()?; self.text(len as usize)? }                        // BINUNICODE
                0x8c => { let len = self.byte()?; self.text(len.into())? }                          // SHORT_BINUNICODE
                b'}' => self.push(Node::Dict(Vec::new())),         // EMPTY_DICT
                b']' | b')' | 0x8f => self.push(Node::List(Vec::new())),        // EMPTY_LIST, EMPTY_TUPLE, EMPTY_SET
                b't' => { let items = self.since_mark()?; self.push(Node::List(items)) }            // TUPLE
                op @ 0x85..=0x87 => self.tuple((op - 0x84).into())?,                                // TUPLE1…3
                b'a' => { let item = self.pop()?; self.extend(&[item])? }                           // APPEND
                b'e' | 0x90 => { let items = self.since_mark()?; self.extend(&items)? }             // APPENDS, ADDITEMS
                b's' => { let value = self.pop()?; let key = self.pop()?; self.extend(&[key, value])? } // SETITEM
                b'u' => { let items = self.since_mark()?; self.extend(&items)? }                    // SETITEMS
                b'q' => { let name = self.byte()?; self.remember(name.into())? }                    // BINPUT
                b'r' => { let name = self.word()?; self.remember(name)? }                           // LONG_BINPUT
                0x94 => self.remember(self.memo.len() as u32)?,    // MEMOIZE
                b'h' => { let name = self.byte()?; self.recall(name.into())? }                      // BINGET
                b'j' => { let name = self.word()?; self.recall(name)? }                             // LONG_BINGET
                b'c' => { let class = [self.line()?, self.line()?].join("."); self.leaf(Value::Class(class)) } // GLOBAL
                0x93 => self.class()?,                             // STACK_GLOBAL
                b'Q' => self.storage()?,                           // BINPERSID
                b'R' | 0x81 => self.reduce()?,                     // REDUCE, NEWOBJ
                b'b' => drop(self.pop()?),                         // BUILD: attributes, which hold nothing of the weights
                op => return Err(PickleError::Instruction(op, at)),
            }
            if self.nodes.len() > VALUES {
                return Err(PickleError::TooLarge);
            }
        }
    }

    fn damaged<T>(&self) -> Step<T> {
        Err(PickleError::Damaged(self.at))
    }

    fn take<const N: usize>(&mut self) -> Step<[u8; N]> {
        match self.slice(N)?.first_chunk() {
            Some(taken) => Ok(*taken),
            None => self.damaged(),
        }
    }

    fn byte(&mut self) -> Step<u8> {
        Ok(u8::from_le_bytes(self.take()?))
    }

    fn word(&mut self) -> Step<u32> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    fn slice(&mut self, len: usize) -> Step<&[u8]> {
        match self.at.checked_add(len).filter(|end| *end <= self.bytes.len()) {
            Some(end) => {
                let slice = &self.bytes[self.at..end];
                self.at = end;
                Ok(slice)
            }
            None => self.damaged(),
        }
    }

    /// Text up to a line's end.
    fn line(&mut self) -> Step<String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(len) = rest.iter().take(256).position(|byte| *byte == b'\n') else { return self.damaged() };
        let line = String::from_utf8_lossy(&rest[..len]).into_owned();
        self.at += len + 1;
        Ok(line)
    }

    fn push(&mut self, node: Node) {
        self.stack.push(self.nodes.len());
        self.nodes.push(node);
    }

    fn leaf(&mut self, value: Value) {
        self.push(Node::Leaf(value));
    }

    fn pop(&mut self) -> Step<usize> {
        if self.marks.last().is_some_and(|mark| *mark >= self.stack.len()) {
            return self.damaged();
        }
        self.stack.pop().map_or_else(|| self.damaged(), Ok)
    }

    fn pop_value(&mut self) -> Step<Value> {
        let node = self.pop()?;
        self.write_out(node)
    }

    fn since_mark(&mut self) -> Step<Vec<usize>> {
        match self.marks.pop().filter(|mark| *mark <= self.stack.len()) {
            Some(mark) => Ok(self.stack.split_off(mark)),
            None => self.damaged(),
        }
    }

    fn tuple(&mut self, count: usize) -> Step {
        let mut items = (0..count).map(|_| self.pop()).collect::<Step<Vec<_>>>()?;
        items.reverse();
        self.push(Node::List(items));
        Ok(())
    }

    fn unsigned<const N: usize>(&mut self) -> Step {
        let value = self.take::<N>()?.iter().rev().fold(0, |sum, byte| sum << 8 | i64::from(*byte));
        self.leaf(Value::Int(value));
        Ok(())
    }

    fn long(&mut self, len: usize) -> Step {
        let bytes = self.slice(len)?;
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        match wide.get_mut(..len) {
            Some(low) => low.copy_from_slice(bytes),
            None => return self.damaged(),
        }
        self.leaf(Value::Int(i64::from_le_bytes(wide)));
        Ok(())
    }

    fn text(&mut self, len: usize) -> Step {
        match std::str::from_utf8(self.slice(len)?).map(str::to_owned) {
            Ok(text) => self.leaf(Value::Text(text)),
            Err(_) => return self.damaged(),
        }
        Ok(())
    }

    /// Adds items to the container on top: a dictionary's are keys and values in turn.
    fn extend(&mut self, items: &[usize]) -> Step {
        match self.stack.last().and_then(|top| self.nodes.get_mut(*top)) {
            Some(Node::List(list)) => list.extend(items),
            Some(Node::Dict(dict)) if items.len().is_multiple_of(2) => dict.extend(items),
            _ => return self.damaged(),
        }
        Ok(())
    }

    fn remember(&mut self, name: u32) -> Step {
        let Some(top) = self.stack.last() else { return self.damaged() };
        self.memo.insert(name, *top);
        Ok(())
    }

    fn recall(&mut self, name: u32) -> Step {
        match self.memo.get(&name) {
            Some(node) if self.stack.len() < VALUES => self.stack.push(*node),
            _ => return self.damaged(),
        }
        Ok(())
    }

    fn class(&mut self) -> Step {
        let (name, module) = (self.pop_value()?, self.pop_value()?);
        let (Value::Text(module), Value::Text(name)) = (module, name) else { return self.damaged() };
        self.leaf(Value::Class(format!("{module}.{name}")));
        Ok(())
    }

    /// A persistent id: `("storage", class, key, location, elements)`.
    fn storage(&mut self) -> Step {
        let Value::List(id) = self.pop_value()? else { return self.damaged() };
        let [Value::Text(tag), Value::Class(kind), Value::Text(key), Value::Text(_), Value::Int(len)] =
            &id[..]
        else {
            return self.damaged();
        };
        let kind = kind.strip_prefix("torch.").filter(|kind| kind.ends_with("Storage"));
        let (Some(kind), "storage", Ok(len)) = (kind, tag.as_str(), usize::try_from(*len)) else {
            return self.damaged();
        };
        self.leaf(Value::Storage { kind: kind.to_owned(), key: key.clone(), len });
        Ok(())
    }

    /// A call: only of what is known to be data.
    fn reduce(&mut self) -> Step {
        let (args, callee) = (self.pop_value()?, self.pop_value()?);
        let (Value::List(args), Value::Class(callee)) = (args, callee) else { return self.damaged() };
        let made = match (callee.as_str(), &args[..]) {
            ("collections.OrderedDict", []) => {
                self.push(Node::Dict(Vec::new()));
                return Ok(());
            }
            ("fractions.Fraction", [Value::Int(over), Value::Int(under)]) => {
                Some(Value::Fraction(*over, *under))
            }
            ("fractions.Fraction", [Value::Text(text)]) => fraction(text),
            (
                "torch._utils._rebuild_tensor_v2",
                [Value::Storage { kind, key, len }, Value::Int(at), shape, stride, ..],
            ) => tensor(kind, key, *len, *at, shape, stride),
            ("collections.OrderedDict" | "fractions.Fraction" | "torch._utils._rebuild_tensor_v2", _) => None,
            _ => return Err(PickleError::Code(callee)),
        };
        match made {
            Some(value) => self.leaf(value),
            None => return self.damaged(),
        }
        Ok(())
    }

    /// A node with everything in it.
    fn write_out(&mut self, node: usize) -> Step<Value> {
        let mut left = self.left;
        let value = self.write(node, DEPTH, &mut left)?;
        self.left = left;
        Ok(value)
    }

    fn write(&self, node: usize, depth: usize, left: &mut usize) -> Step<Value> {
        if depth == 0 || *left == 0 {
            return Err(PickleError::TooLarge);
        }
        *left -= 1;
        let mut items = |items: &[usize]| -> Step<Vec<Value>> {
            items.iter().map(|item| self.write(*item, depth - 1, left)).collect()
        };
        Ok(match &self.nodes[node] {
            Node::Leaf(value) => value.clone(),
            Node::List(list) => Value::List(items(list)?),
            Node::Dict(dict) => {
                let (mut entries, mut flat) = (Vec::new(), items(dict)?.into_iter());
                while let (Some(key), Some(value)) = (flat.next(), flat.next()) {
                    entries.push((key, value));
                }
                Value::Dict(entries)
            }
        })
    }
}

fn fraction(text: &str) -> Option<Value> {
    let (over, under) = text.split_once('/').unwrap_or((text, "1"));
    Some(Value::Fraction(over.trim().parse().ok()?, under.trim().parse().ok()?))
}

/// A tensor that lies inside its storage.
fn tensor(kind: &str, key: &str, len: usize, offset: i64, shape: &Value, stride: &Value) -> Option<Value> {
    let sizes = |value: &Value| -> Option<Vec<usize>> {
        let Value::List(items) = value else { return None };
        items
            .iter()
            .map(|item| if let Value::Int(n) = item { usize::try_from(*n).ok() } else { None })
            .collect()
    };
    let (offset, shape, stride) = (usize::try_from(offset).ok()?, sizes(shape)?, sizes(stride)?);
    if shape.len() != stride.len() || shape.len() > 8 {
        return None;
    }
    if !shape.contains(&0) {
        let last = shape
            .iter()
            .zip(&stride)
            .try_fold(offset, |sum, (size, step)| (size - 1).checked_mul(*step)?.checked_add(sum))?;
        if last >= len {
            return None;
        }
    }
    Some(Value::Tensor { kind: kind.to_owned(), key: key.to_owned(), offset, shape, stride })
}
