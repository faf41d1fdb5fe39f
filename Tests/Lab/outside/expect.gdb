# expect EXPRESSION VALUE, both without spaces: ends gdb, which fails, where they differ.
define expect
    if ($arg0) != ($arg1)
        printf "line expected 0x%lx, found 0x%lx\n", (unsigned long)($arg1), (unsigned long)($arg0)
        info registers pc
        quit 1
    end
end
