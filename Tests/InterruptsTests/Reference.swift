// A second interrupt controller, written plainly from the manuals for the tests to compare with: sets of numbers and
// tables of words, everything searched for each time. Intel SDM volume 3, sections 11.6 and 11.8; 82093AA datasheet,
// section 3.2.4. It has no timers, no local vectors and no 8259.

/// One processor's half.
struct ReferenceLocal {
    var isOn = false
    var keepsEOI = false
    var tpr = 0
    var logical = 0
    var waiting: Set<Int> = []
    var serving: Set<Int> = []
    var levels: Set<Int> = []
    var sawIllegalVector = false

    /// "PPR: the higher of the task priority's class and that of the highest vector in service."
    var ppr: Int {
        let service = (serving.max() ?? 0) / 16
        return tpr / 16 >= service ? tpr : service * 16
    }

    var next: Int? { waiting.max().flatMap { $0 / 16 > ppr / 16 ? $0 : nil } }
}

/// One pin's entry, field by field.
struct ReferencePin {
    var vector = 0
    var isLowest = false
    var isLogical = false
    var remoteIRR = false
    var isLevel = false
    var isMasked = true
    var destination = 0
    var isHigh = false
}

struct ReferencePC {
    var locals: [ReferenceLocal]
    var pins = [ReferencePin](repeating: ReferencePin(), count: 24)
    var last = 0

    init(_ count: Int) { locals = [ReferenceLocal](repeating: ReferenceLocal(), count: count) }

    /// Whether anybody took it.
    mutating func send(
        _ vector: Int, to destination: Int, logical isLogical: Bool, lowest isLowest: Bool, level isLevel: Bool
    ) -> Bool {
        var meant = locals.indices.filter {
            destination == 0xff || (isLogical ? locals[$0].logical & destination != 0 : $0 == destination)
        }
        if isLowest {
            let on = meant.filter { locals[$0].isOn }
            guard let least = on.map({ locals[$0].ppr / 16 }).min() else { return false }
            let equals = on.filter { locals[$0].ppr / 16 == least }
            let order = (1...locals.count).map { (last + $0) % locals.count }
            meant = [order.first { equals.contains($0) }!]
            last = meant[0]
        }
        var isTaken = false
        for cpu in meant where locals[cpu].isOn {
            if vector < 16 {
                locals[cpu].sawIllegalVector = true
                continue
            }
            isTaken = true
            locals[cpu].waiting.insert(vector)
            if isLevel { locals[cpu].levels.insert(vector) } else { locals[cpu].levels.remove(vector) }
        }
        return isTaken
    }

    mutating func fire(_ pin: Int) {
        let it = pins[pin]
        if it.isMasked || it.isLevel && it.remoteIRR { return }
        let isTaken = send(
            it.vector, to: it.destination, logical: it.isLogical, lowest: it.isLowest, level: it.isLevel)
        if isTaken, it.isLevel { pins[pin].remoteIRR = true }
    }

    mutating func line(_ pin: Int, _ level: Bool) {
        let rises = level && !pins[pin].isHigh
        pins[pin].isHigh = level
        if rises { fire(pin) }
    }

    mutating func program(_ pin: Int, _ entry: ReferencePin) {
        let (isHigh, remoteIRR) = (pins[pin].isHigh, pins[pin].remoteIRR)
        pins[pin] = entry
        pins[pin].isHigh = isHigh
        pins[pin].remoteIRR = entry.isLevel && remoteIRR
        if entry.isLevel, isHigh { fire(pin) }
    }

    mutating func end(_ vector: Int) {
        for pin in pins.indices where pins[pin].vector == vector && pins[pin].isLevel {
            pins[pin].remoteIRR = false
        }
        for pin in pins.indices where pins[pin].vector == vector && pins[pin].isLevel && pins[pin].isHigh { fire(pin) }
    }

    mutating func take(_ cpu: Int) -> Int? {
        guard let vector = locals[cpu].next else { return nil }
        locals[cpu].waiting.remove(vector)
        locals[cpu].serving.insert(vector)
        return vector
    }

    mutating func eoi(_ cpu: Int) {
        guard let vector = locals[cpu].serving.max() else { return }
        locals[cpu].serving.remove(vector)
        if locals[cpu].levels.contains(vector), !locals[cpu].keepsEOI { end(vector) }
    }
}
