import Testing

@testable import Primitives

@Suite("Addresses")
struct AddressTests {
    @Test(
        "an offset is added modulo 2^64, in both directions",
        arguments: [
            (0x1000, 0x10, 0x1010), (0x1000, -0x10, 0xff0), (0, -1, .max), (.max, 1, 0),
            (0xffff_ffff_8000_0000, 0x8000_0000, 0), (1, Int.min, 0x8000_0000_0000_0001),
        ] as [(UInt64, Int, UInt64)])
    func offsets(start: UInt64, offset: Int, end: UInt64) {
        #expect(VirtualAddress(start) + offset == VirtualAddress(end))
        #expect(PhysicalAddress(start) + offset == PhysicalAddress(end))
    }

    @Test("the upper half of the address space lies above the lower one")
    func order() {
        let ascending: [UInt64] = [0, 1, 0x7fff_ffff_ffff_ffff, 0x8000_0000_0000_0000, .max]
        #expect(ascending.reversed().map(VirtualAddress.init).sorted().map(\.rawValue) == ascending)
        #expect(ascending.reversed().map(PhysicalAddress.init).sorted().map(\.rawValue) == ascending)
    }

    @Test("people read an address as 0x and as many digits as it has")
    func text() {
        #expect("\(VirtualAddress(0))" == "0x0")
        #expect("\(VirtualAddress(0xffff_ffff_8100_0000))" == "0xffffffff81000000")
        #expect("\(PhysicalAddress(0xfee0_0000))" == "0xfee00000")
    }
}
