//! The pattern language of [`SpanPattern`](super::SpanPattern): a parser, and an automaton that is never in more states
//! than the pattern has parts (Thompson 1968).

use crate::{Span, Trace};

/// The most states of an automaton; counted repetitions are written out.
const MOST_STATES: usize = 10_000;

/// The deepest nesting of groups.
const DEEPEST: usize = 64;

/// A pattern that is ready to run.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    elements: Vec<Element>,
    states: Vec<State>,
}

/// What stands for one span: itself and who called it, the span last.
#[derive(Debug, Clone)]
struct Element {
    text: String,
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
struct Step {
    name: Option<String>,
    kind: Option<String>,
    /// Whether other spans may stand between this one and the step before it.
    below: bool,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Takes a span that the element matches, and goes on to the next state.
    Take(usize),
    /// Goes to both states without a span.
    Split(usize, usize),
    Goto(usize),
    Accept,
}

enum Node {
    Element(usize),
    Sequence(Vec<Node>),
    Either(Vec<Node>),
    Repeat(Box<Node>, usize, Option<usize>),
}

/// Where matching stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stop {
    /// The index of the span that fits nowhere, or the number of spans where there should be more.
    pub(crate) at: usize,
    /// How many spans had been matched.
    pub(crate) matched: usize,
    /// What would have fitted, as it is written in the pattern.
    pub(crate) expected: Vec<String>,
}

impl Step {
    fn fits(&self, span: &Span) -> bool {
        self.name.as_ref().is_none_or(|name| *name == span.name)
            && self
                .kind
                .as_ref()
                .is_none_or(|kind| kind == span.kind.as_str())
    }
}

impl Element {
    fn fits(&self, trace: &Trace, at: usize) -> bool {
        let Some((last, above)) = self.steps.split_last() else {
            return false;
        };
        if !last.fits(&trace.spans[at]) {
            return false;
        }
        // Which of the steps above the current span may have been reached: linear in depth times steps.
        let mut wanted = vec![false; above.len() + 1];
        wanted[above.len()] = true;
        let mut current = at;
        while !wanted[0] {
            let Some(parent) = trace.spans[current]
                .parent
                .filter(|parent| *parent < current)
            else {
                return false;
            };
            let mut next = vec![false; above.len() + 1];
            for step in 0..above.len() {
                // The step `step + 1` was found at or below `current`; its caller is looked for.
                if wanted[step + 1] {
                    next[step] |= above[step].fits(&trace.spans[parent]);
                    next[step + 1] |= self.steps[step + 1].below;
                }
            }
            if !next.contains(&true) {
                return false;
            }
            wanted = next;
            current = parent;
        }
        true
    }
}

impl Program {
    /// For each element whether it matches a span.
    pub(crate) fn tests(&self, trace: &Trace, at: usize) -> Vec<bool> {
        self.elements
            .iter()
            .map(|element| element.fits(trace, at))
            .collect()
    }

    /// Matches a sequence, given for each span which elements match it: the whole of it, or a run in it.
    pub(crate) fn run(&self, spans: &[&[bool]], anywhere: bool) -> Option<Stop> {
        // The states that are alive, and how many spans each has taken at the most.
        let mut alive = Threads::new(self.states.len());
        self.enter(&mut alive, 0, 0);
        let mut furthest: Option<Stop> = None;
        for (at, tests) in spans.iter().enumerate() {
            if anywhere && alive.accepts {
                return None;
            }
            let mut next = Threads::new(self.states.len());
            for (state, taken) in &alive.list {
                if let State::Take(element) = self.states[*state]
                    && tests[element]
                {
                    self.enter(&mut next, state + 1, taken + 1);
                }
            }
            let most = alive.most();
            if furthest.as_ref().is_none_or(|stop| most > stop.matched) && next.most() <= most {
                furthest = Some(self.stop(&alive, at, most));
            }
            if anywhere {
                self.enter(&mut next, 0, 0);
            } else if next.list.is_empty() && !next.accepts {
                return furthest;
            }
            alive = next;
        }
        if alive.accepts {
            return None;
        }
        let most = alive.most();
        let end = self.stop(&alive, spans.len(), most);
        match furthest {
            Some(stop) if anywhere && stop.matched > most => Some(stop),
            _ => Some(end),
        }
    }

    /// What the states that came furthest want.
    fn stop(&self, alive: &Threads, at: usize, matched: usize) -> Stop {
        let mut expected: Vec<String> = Vec::new();
        let furthest = alive.list.iter().filter(|(_, taken)| *taken == matched);
        for (state, _) in furthest {
            if let State::Take(element) = self.states[*state] {
                let text = &self.elements[element].text;
                if !expected.contains(text) {
                    expected.push(text.clone());
                }
            }
        }
        if alive.accepts {
            expected.push("the end".to_string());
        }
        Stop {
            at,
            matched,
            expected,
        }
    }

    /// Adds a state and all that are reached from it without a span.
    fn enter(&self, threads: &mut Threads, state: usize, taken: usize) {
        let mut open = vec![state];
        while let Some(state) = open.pop() {
            if let Some(known) = threads.place[state] {
                // Threads in one state differ only in what they have taken; the greater number is told.
                if known >= taken {
                    continue;
                }
                threads.list.retain(|(other, _)| *other != state);
            }
            threads.place[state] = Some(taken);
            match self.states[state] {
                State::Take(_) => threads.list.push((state, taken)),
                State::Split(one, other) => open.extend([other, one]),
                State::Goto(next) => open.push(next),
                State::Accept => threads.accepts = true,
            }
        }
    }
}

struct Threads {
    place: Vec<Option<usize>>,
    list: Vec<(usize, usize)>,
    accepts: bool,
}

impl Threads {
    fn new(states: usize) -> Self {
        Self {
            place: vec![None; states],
            list: Vec::new(),
            accepts: false,
        }
    }

    fn most(&self) -> usize {
        let taken = self.place.iter().flatten();
        taken.copied().max().unwrap_or_default()
    }
}

/// Reads a pattern; the error points at the place.
pub(crate) fn parse(pattern: &str) -> Result<Program, String> {
    let mut parser = Parser {
        text: pattern.chars().collect(),
        at: 0,
        depth: 0,
        elements: Vec::new(),
    };
    let node = parser.either().and_then(|node| {
        match parser.peek() {
            None => {}
            Some(')') => return Err(parser.wrong("`)` without `(`")),
            Some(sign) => return Err(parser.wrong(&format!("`{sign}` means nothing here"))),
        }
        let states = node.size();
        if states >= MOST_STATES {
            parser.at = 0;
            return Err(parser.wrong(&format!(
                "the repetitions make more than {MOST_STATES} states"
            )));
        }
        Ok(node)
    });
    let node = node.map_err(|wrong| wrong.shown(pattern))?;
    let mut states = Vec::new();
    node.compile(&mut states);
    states.push(State::Accept);
    Ok(Program {
        elements: parser.elements,
        states,
    })
}

impl Node {
    /// The number of states, never less than there will be.
    fn size(&self) -> usize {
        match self {
            Self::Element(_) => 1,
            Self::Sequence(nodes) => nodes
                .iter()
                .fold(0, |sum, node| sum.saturating_add(node.size())),
            Self::Either(nodes) => nodes.iter().fold(0, |sum, node| {
                sum.saturating_add(node.size()).saturating_add(2)
            }),
            Self::Repeat(node, least, most) => {
                let times = most.unwrap_or(least + 1).max(1);
                node.size().saturating_add(2).saturating_mul(times)
            }
        }
    }

    fn compile(&self, states: &mut Vec<State>) {
        match self {
            Self::Element(element) => states.push(State::Take(*element)),
            Self::Sequence(nodes) => nodes.iter().for_each(|node| node.compile(states)),
            Self::Either(nodes) => {
                let mut ends = Vec::new();
                for (at, node) in nodes.iter().enumerate() {
                    let split = states.len();
                    let last = at + 1 == nodes.len();
                    if !last {
                        states.push(State::Accept);
                    }
                    node.compile(states);
                    if !last {
                        ends.push(states.len());
                        states.push(State::Accept);
                        states[split] = State::Split(split + 1, states.len());
                    }
                }
                for end in ends {
                    states[end] = State::Goto(states.len());
                }
            }
            Self::Repeat(node, least, most) => {
                for _ in 0..*least {
                    node.compile(states);
                }
                if let Some(most) = most {
                    let mut splits = Vec::new();
                    for _ in *least..*most {
                        splits.push(states.len());
                        states.push(State::Accept);
                        node.compile(states);
                    }
                    for split in splits {
                        states[split] = State::Split(split + 1, states.len());
                    }
                } else {
                    let split = states.len();
                    states.push(State::Accept);
                    node.compile(states);
                    states.push(State::Goto(split));
                    states[split] = State::Split(split + 1, states.len());
                }
            }
        }
    }
}

/// What is wrong with a pattern, and where.
struct Wrong {
    at: usize,
    what: String,
}

impl Wrong {
    fn shown(&self, pattern: &str) -> String {
        let Self { at, what } = self;
        let (line, blank) = (pattern.replace(['\n', '\t'], " "), " ".repeat(*at));
        format!(
            "the span pattern is wrong at column {}: {what}\n  {line}\n  {blank}^\nhint: a pattern looks like `plan (search+ rerank?)* answer`; the \
             documentation of `SpanPattern` lists its signs",
            at + 1
        )
    }
}

struct Parser {
    text: Vec<char>,
    at: usize,
    depth: usize,
    elements: Vec<Element>,
}

impl Parser {
    /// The next sign that is no white space.
    fn peek(&mut self) -> Option<char> {
        while self
            .text
            .get(self.at)
            .is_some_and(|sign| sign.is_whitespace())
        {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn wrong(&self, what: &str) -> Wrong {
        Wrong {
            at: self.at,
            what: what.to_string(),
        }
    }

    fn either(&mut self) -> Result<Node, Wrong> {
        let mut nodes = vec![self.sequence()?];
        while self.peek() == Some('|') {
            self.at += 1;
            nodes.push(self.sequence()?);
        }
        Ok(match nodes.len() {
            1 => nodes.swap_remove(0),
            _ => Node::Either(nodes),
        })
    }

    fn sequence(&mut self) -> Result<Node, Wrong> {
        let mut nodes = Vec::new();
        while let Some(sign) = self.peek() {
            if matches!(sign, '|' | ')') {
                break;
            }
            let atom = self.atom()?;
            nodes.push(self.repeated(atom)?);
        }
        if nodes.is_empty() {
            return Err(self.wrong("a span is expected here; `?` makes something optional"));
        }
        Ok(Node::Sequence(nodes))
    }

    fn atom(&mut self) -> Result<Node, Wrong> {
        if self.peek() != Some('(') {
            return self.element();
        }
        if self.depth == DEEPEST {
            return Err(self.wrong(&format!("groups are nested more than {DEEPEST} deep")));
        }
        let open = self.at;
        self.at += 1;
        self.depth += 1;
        let node = self.either()?;
        self.depth -= 1;
        if self.peek() != Some(')') {
            self.at = open;
            return Err(self.wrong("this `(` is not closed"));
        }
        self.at += 1;
        Ok(node)
    }

    fn repeated(&mut self, node: Node) -> Result<Node, Wrong> {
        let (least, most) = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => self.bounds()?,
            _ => return Ok(node),
        };
        self.at += 1;
        if let Some(sign @ ('*' | '+' | '?' | '{')) = self.peek() {
            return Err(self.wrong(&format!(
                "`{sign}` follows a repetition; put that into parentheses"
            )));
        }
        Ok(Node::Repeat(Box::new(node), least, most))
    }

    /// `{n}`, `{n,}` or `{n,m}`; stays at the closing brace.
    fn bounds(&mut self) -> Result<(usize, Option<usize>), Wrong> {
        let open = self.at;
        self.at += 1;
        let least = self.number()?;
        let most = if self.peek() == Some(',') {
            self.at += 1;
            if self.peek() == Some('}') {
                None
            } else {
                Some(self.number()?)
            }
        } else {
            Some(least)
        };
        if self.peek() != Some('}') {
            return Err(self.wrong("`}` is expected here, as in `{2}`, `{2,}` or `{2,5}`"));
        }
        if most.is_some_and(|most| most < least || most == 0) {
            self.at = open;
            return Err(self.wrong("the second number must not be less than the first, nor 0"));
        }
        Ok((least, most))
    }

    fn number(&mut self) -> Result<usize, Wrong> {
        self.peek();
        let start = self.at;
        while self.text.get(self.at).is_some_and(char::is_ascii_digit) {
            self.at += 1;
        }
        let digits: String = self.text[start..self.at].iter().collect();
        let number = digits.parse().ok().filter(|number| *number < MOST_STATES);
        number.ok_or_else(|| Wrong {
            at: start,
            what: format!("a number below {MOST_STATES} is expected here"),
        })
    }

    fn element(&mut self) -> Result<Node, Wrong> {
        let start = self.at;
        let mut steps = vec![self.step(false)?];
        while self.text.get(self.at) == Some(&'/') {
            self.at += 1;
            let below = self.text.get(self.at) == Some(&'/');
            self.at += usize::from(below);
            steps.push(self.step(below)?);
        }
        let text: String = self.text[start..self.at].iter().collect();
        let text = format!("`{text}`");
        // Equal elements are one, so that each span is tested once for it.
        let known = self.elements.iter().position(|known| known.text == text);
        Ok(Node::Element(known.unwrap_or_else(|| {
            self.elements.push(Element { text, steps });
            self.elements.len() - 1
        })))
    }

    fn step(&mut self, below: bool) -> Result<Step, Wrong> {
        let name = match self.text.get(self.at) {
            Some('"') => Some(self.quoted()?),
            Some('.')
                if !self
                    .text
                    .get(self.at + 1)
                    .is_some_and(|sign| is_name(*sign)) =>
            {
                self.at += 1;
                None
            }
            Some(':') => None,
            Some(sign) if is_name(*sign) => Some(self.name()),
            Some(sign @ ('*' | '+' | '?' | '{')) => {
                return Err(self.wrong(&format!("`{sign}` repeats nothing; any span is `.`")));
            }
            Some(sign) if !sign.is_whitespace() => {
                return Err(self.wrong(&format!(
                    "`{sign}` is not part of a name; put the name in quotes"
                )));
            }
            _ => return Err(self.wrong("a name, `:kind` or `.` is expected here")),
        };
        let mut kind = None;
        if self.text.get(self.at) == Some(&':') {
            self.at += 1;
            kind = Some(self.name()).filter(|kind| !kind.is_empty());
            if kind.is_none() {
                return Err(self.wrong("a kind is expected after `:`, such as `tool` or `llm`"));
            }
        }
        Ok(Step { name, kind, below })
    }

    fn name(&mut self) -> String {
        let start = self.at;
        while self.text.get(self.at).is_some_and(|sign| is_name(*sign)) {
            self.at += 1;
        }
        self.text[start..self.at].iter().collect()
    }

    fn quoted(&mut self) -> Result<String, Wrong> {
        let start = self.at + 1;
        let rest = &self.text[start..];
        let Some(length) = rest.iter().position(|sign| *sign == '"') else {
            return Err(self.wrong("this quote is not closed"));
        };
        self.at = start + length + 1;
        Ok(rest[..length].iter().collect())
    }
}

fn is_name(sign: char) -> bool {
    sign.is_alphanumeric() || matches!(sign, '_' | '-' | '.' | '@')
}
