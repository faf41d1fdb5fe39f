import Testing

extension Live {
    /// Breakpoints and watchpoints are on linear addresses, whatever the page tables make of them.
    @Suite("linear addresses") struct LinearAddress {
        private static let origin: UInt64 = 0x10_0000
        /// Each space has its tables in 5 pages from here: one address of a page of its own, and the first 4 MiB, twice the
        /// same 2 MiB.
        private static let (firstSpace, secondSpace): (UInt64, UInt64) = (0x3_0000, 0x4_0000)
        private static let (firstFrame, secondFrame): (UInt64, UInt64) = (0x18_0000, 0x18_1000)
        /// Where the page of its own is, in both spaces, and the second of the 2 MiB.
        private static let (page, alias): (UInt64, UInt64) = (0x4000_0000, 0x20_0000)

        private func bytes(_ value: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }

        private func makeTables(_ guest: RemoteClient, at tables: UInt64, frame: UInt64) throws {
            let entries: [(UInt64, UInt64)] = [
                (0, tables + 0x1003), (0x1000, tables + 0x2003), (0x1008, tables + 0x3003), (0x2000, 0x83),
                (0x2008, 0x83), (0x3000, tables + 0x4003), (0x4000, frame + 3),
            ]
            for (offset, value) in entries { #expect(try guest.write(bytes(value), at: tables + offset) == "OK") }
        }

        private func start(_ code: [UInt8], _ name: String) throws -> RemoteClient {
            let guest = try Stubvisor(flat: code, mode: "long", name: name).attach()
            try makeTables(guest, at: Self.firstSpace, frame: Self.firstFrame)
            try makeTables(guest, at: Self.secondSpace, frame: Self.secondFrame)
            // nop; inc %eax; ret, and nop; inc %ebx; ret
            #expect(try guest.write([0x90, 0xff, 0xc0, 0xc3], at: Self.firstFrame) == "OK")
            #expect(try guest.write([0x90, 0xff, 0xc3, 0xc3], at: Self.secondFrame) == "OK")
            for name in ["rax", "rbx"] { #expect(try guest.set(name, to: 0 as UInt64) == "OK") }
            #expect(try guest.set("rsp", to: 0x1f_8000 as UInt64) == "OK")
            return guest
        }

        /// mov $first,%ecx; mov %rcx,%cr3; call *%rsi; mov $second,%ecx; mov %rcx,%cr3; call *%rsi; jmp start
        private static let switching: [UInt8] = [
            0xb9, 0x00, 0x00, 0x03, 0x00, 0x0f, 0x22, 0xd9, 0xff, 0xd6, 0xb9, 0x00, 0x00, 0x04, 0x00, 0x0f, 0x22, 0xd9,
            0xff, 0xd6, 0xeb, 0xea,
        ]

        @Test(
            "a breakpoint is hit in each of two spaces that map its address to different pages", .needs(.kvm),
            arguments: [0, 1], [true, false])
        func twoSpaces(kind: Int, isMapped: Bool) throws {
            let guest = try start(Self.switching, "spaces\(kind)\(isMapped)")
            #expect(try guest.set("rsi", to: Self.page) == "OK")
            // In the first space before it is inserted, or in the loader's, which does not lead there.
            if isMapped { #expect(try guest.set("cr3", to: Self.firstSpace) == "OK") }
            #expect(try guest.insert(kind, at: Self.page) == "OK")
            for round in 0..<4 as Range<UInt64> {
                for count in [round, round + 1] {
                    #expect(try guest.resume().kind == "T05")
                    #expect(try guest.register("rip") == Self.page)
                    #expect(try guest.register("rax") == count)
                    #expect(try guest.register("rbx") == round)
                }
            }
            #expect(try guest.remove(kind, at: Self.page) == "OK")
            #expect(try guest.request("Qqemu.PhyMemMode:1") == "OK")
            for frame in [Self.firstFrame, Self.secondFrame] {
                #expect(try guest.memory(at: frame, count: 1) == [0x90], "nothing is left behind")
            }
        }

        /// mov $first,%ecx; mov %rcx,%cr3; mov $0x380000,%eax: the alias of the frame at 0x180000; xor; call *%rdi; call
        /// *%rsi; jmp to the calls
        private static let aliased: [UInt8] = [
            0xb9, 0x00, 0x00, 0x03, 0x00, 0x0f, 0x22, 0xd9, 0x31, 0xc0, 0xff, 0xd7, 0xff, 0xd6, 0xeb, 0xfa,
        ]

        @Test("a planted breakpoint that is executed through another address does not stop there", .needs(.kvm))
        func falseHit() throws {
            let guest = try start(Self.aliased, "alias")
            #expect(try guest.set("rsi", to: Self.page) == "OK")
            #expect(try guest.set("rdi", to: Self.firstFrame + Self.alias) == "OK")
            #expect(try guest.set("cr3", to: Self.firstSpace) == "OK")
            #expect(try guest.insert(0, at: Self.page) == "OK")
            for round in 0..<3 as Range<UInt64> {
                #expect(try guest.resume().kind == "T05")
                #expect(try guest.register("rip") == Self.page)
                #expect(try guest.register("rax") == 2 * round + 1, "the alias was executed each time")
            }
        }

        /// mov $source,%esi; mov $0x210000,%edi; mov $4,%ecx; rep movsb; mov $0x210000,%eax; call *%rax; jmp start
        private static let copying: [UInt8] =
            [
                0xbe, 0x1b, 0x00, 0x10, 0x00, 0xbf, 0x00, 0x00, 0x21, 0x00, 0xb9, 0x04, 0x00, 0x00, 0x00, 0xf3, 0xa4,
                0xb8, 0x00, 0x00, 0x21, 0x00, 0xff, 0xd0, 0xeb, 0xe6, 0x90,
            ] + [0x90, 0xff, 0xc3, 0xc3]

        @Test("a breakpoint that the guest writes over holds", .needs(.kvm), arguments: [0, 1])
        func overwritten(kind: Int) throws {
            let guest = try Stubvisor(flat: Self.copying, mode: "long", name: "copying\(kind)").attach()
            #expect(try guest.set("rsp", to: 0x1f_8000 as UInt64) == "OK")
            #expect(try guest.set("rbx", to: 0 as UInt64) == "OK")
            #expect(try guest.insert(kind, at: 0x21_0001) == "OK")
            for round in 0..<4 as Range<UInt64> {
                #expect(try guest.resume().kind == "T05")
                #expect(try guest.register("rip") == 0x21_0001)
                #expect(try guest.register("rbx") == round)
                #expect(try guest.memory(at: 0x21_0000, count: 4) == [0x90, 0xff, 0xc3, 0xc3])
            }
            if kind == 0 {
                let list = try guest.monitor("breakpoints")
                #expect(list.contains("planted, hit 4") && list.contains("also in debug register"), "\(list)")
            }
        }

        @Test("breakpoints for which no debug register is left say how they are looked after", .needs(.kvm))
        func lookedAfter() throws {
            let guest = try Stubvisor(flat: Self.copying, mode: "long").attach()
            for place in 0..<6 as Range<UInt64> { #expect(try guest.insert(0, at: 0x22_0000 + place) == "OK") }
            #expect(try guest.resume("vCont;s:p1.1").kind == "T05")
            let lines = try guest.monitor("breakpoints").split(separator: "\n")
            #expect(lines.filter { $0.contains("also in debug register") }.count == 3)
            #expect(lines.filter { $0.contains("looked after every 20 ms") }.count >= 3)
        }

        // MARK: - Watchpoints

        /// Each instruction that accesses memory, with its length.
        private static let accesses: [(code: [UInt8], isOwn: Bool)] = [
            ([0xc7, 0x04, 0x25, 0x00, 0x00, 0x1f, 0x00, 1, 0, 0, 0], true),  // movl $1,0x1f0000
            ([0xc7, 0x04, 0x25, 0x00, 0x00, 0x3f, 0x00, 2, 0, 0, 0], false),  // movl $2,0x3f0000
            ([0x48, 0x89, 0x03], true), ([0x49, 0x89, 0x00], false),  // mov %rax,(%rbx); mov %rax,(%r8)
            ([0xff, 0x03], true), ([0x41, 0xff, 0x00], false),  // incl (%rbx); incl (%r8)
            ([0x48, 0x89, 0xdf, 0xab], true), ([0x4c, 0x89, 0xc7, 0xab], false),  // mov %rbx,%rdi or %r8,%rdi; stosl
            // lea 8(%rbx),%rsp or 8(%r8),%rsp; push %rax
            ([0x48, 0x8d, 0x63, 0x08, 0x50], true), ([0x49, 0x8d, 0x60, 0x08, 0x50], false),
        ]

        @Test(
            "an access through another mapping of a watched page is not reported", .needs(.kvm),
            arguments: [2, 3, 4])
        func watchedAlias(kind: Int) throws {
            let space: [UInt8] = [0xb9, 0x00, 0x00, 0x03, 0x00, 0x0f, 0x22, 0xd9]
            // mov (%rbx),%rax and mov (%r8),%rax read; each access is followed by a NOP.
            let reads: [(code: [UInt8], isOwn: Bool)] = [([0x48, 0x8b, 0x03], true), ([0x49, 0x8b, 0x00], false)]
            var code = space
            var expected: [UInt64] = []
            let all = Self.accesses.map { ($0, true) } + reads.map { ($0, false) }
            for (access, isWrite) in all {
                code += access.code
                let isIncrement = access.code.contains(0xff)
                let isReported = kind == 2 ? isWrite : kind == 3 ? !isWrite || isIncrement : true
                if access.isOwn, isReported { expected.append(Self.origin + UInt64(code.count)) }
                code.append(0x90)
            }
            let end = Self.origin + UInt64(code.count)
            code += [0xeb, 0xfe]
            let guest = try start(code, "watched\(kind)")
            #expect(try guest.set("rbx", to: 0x1f_0000 as UInt64) == "OK")
            #expect(try guest.set("r8", to: 0x3f_0000 as UInt64) == "OK")
            #expect(try guest.set("cr3", to: Self.firstSpace) == "OK")
            #expect(try guest.insert(kind, at: 0x1f_0000, length: 8) == "OK")
            #expect(try guest.insert(1, at: end) == "OK")
            var places: [UInt64] = []
            while places.last != end, places.count < 40 {
                #expect(try guest.resume().kind == "T05")
                places.append(try guest.register("rip"))
            }
            #expect(places == expected + [end])
        }
    }
}
