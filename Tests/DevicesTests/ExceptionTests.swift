import Primitives
import Testing

@testable import Interrupts

@Suite struct ExceptionTests {
    @Test("the table is in order and its mnemonics find their way back")
    func theTableIsInOrderAndItsMnemonicsFindTheirWay() {
        let vectors = ExceptionVector.table.map(\.vector)
        #expect(vectors == vectors.sorted())
        for row in ExceptionVector.table {
            #expect(ExceptionVector(mnemonic: row.mnemonic) == ExceptionVector(row.vector))
            #expect(ExceptionVector(row.vector).known?.name == row.name)
        }
        #expect(ExceptionVector(mnemonic: "pf") == .pageFault)
        #expect(ExceptionVector(mnemonic: "nmi") == .nonMaskableInterrupt)
        #expect(ExceptionVector(mnemonic: "#ZZ") == nil)
    }

    @Test("error codes are pushed by these and no others")
    func errorCodesArePushedByTheseAndNoOthers() {
        let pushing = (UInt8.min...UInt8.max).filter { ExceptionVector($0).pushesErrorCode }
        #expect(pushing == [8, 10, 11, 12, 13, 14, 17, 21, 29, 30])
    }

    @Test(
        "vectors are called by name where they have one",
        arguments: [
            (14, "#PF (14, page fault)"), (2, "NMI (2, non-maskable interrupt)"), (32, "vector 32"), (15, "vector 15"),
        ]
            as [(UInt8, String)])
    func vectorsAreCalledByNameWhereTheyHaveOne(vector: UInt8, text: String) {
        #expect(ExceptionVector(vector).description == text)
    }

    /// SDM table 6-5, the whole of it: rows benign, contributory, page fault, double fault.
    @Test("two at once combine as the manual's table says")
    func twoAtOnceCombineAsTheManualsTableSays() {
        let benign: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 9, 16, 17, 18, 19, 32, 255]
        let contributory: [UInt8] = [0, 10, 11, 12, 13, 21]
        let pageFault: [UInt8] = [14, 20]
        let columns = [benign, contributory, pageFault]
        let expected: [([UInt8], [ExceptionVector.Combination])] = [
            (benign, [.handleSerially, .handleSerially, .handleSerially]),
            (contributory, [.handleSerially, .doubleFault, .handleSerially]),
            (pageFault, [.handleSerially, .doubleFault, .doubleFault]),
            ([8], [.handleSerially, .tripleFault, .tripleFault]),
        ]
        for (firsts, results) in expected {
            for (seconds, result) in zip(columns, results) {
                for first in firsts {
                    for second in seconds {
                        #expect(
                            ExceptionVector.combine(ExceptionVector(first), ExceptionVector(second)) == result,
                            "\(first) then \(second)"
                        )
                    }
                }
            }
        }
    }

    @Test(
        "page faults are explained in words",
        arguments: [
            (0x00, "read from a not-present page from CPL0"),
            (0x02, "write to a not-present page from CPL0"),
            (0x05, "read from a page that forbids it from CPL3"),
            (0x07, "write to a page that forbids it from CPL3"),
            (0x14, "fetch from a not-present page from CPL3"),
            (0x11, "fetch from a page that forbids it from CPL0"),
            (0x0b, "write to a page that forbids it from CPL0, reserved bit set in a paging entry"),
            (0x25, "read from a page that forbids it from CPL3, forbidden by a protection key"),
            (0x47, "write to a page that forbids it from CPL3, a shadow-stack access"),
            (0x8000_0003, "write to a page that forbids it from CPL0, a reverse-map check"),
        ] as [(UInt32, String)])
    func pageFaultsAreToldInWords(code: UInt32, text: String) {
        #expect(PageFaultErrorCode(rawValue: code).description == text)
    }

    @Test(
        "selector error codes are explained in words",
        arguments: [
            (0x0000, "no selector"), (0x0001, "no selector, while delivering an event"),
            (0x0010, "selector 0x0010 of the GDT"), (0x0014, "selector 0x0010 of the LDT"),
            (0x0072, "gate 14 of the IDT"), (0x0073, "gate 14 of the IDT, while delivering an event"),
        ] as [(UInt32, String)])
    func selectorErrorCodesAreToldInWords(code: UInt32, text: String) {
        #expect(SelectorErrorCode(rawValue: code).description == text)
    }

    @Test("selector error codes are built as they are read")
    func selectorErrorCodesAreBuiltAsTheyAreRead() {
        #expect(SelectorErrorCode(gate: 14, isExternal: true).rawValue == 0x73)
        #expect(SelectorErrorCode(selector: 0x2b, isExternal: false).rawValue == 0x28)
        #expect(SelectorErrorCode(selector: 0x0f, isExternal: true).rawValue == 0x0d)
    }
}
