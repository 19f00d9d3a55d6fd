"""The code that Python calls, as LLVM text: one function for all programs. `call.py` says what it does.

It reads descriptions rather than being written for each program, so a program costs no code generation here. An
argument that is exactly an ndarray is read in place, as NumPy's C headers lay it out; anything else goes through the
buffer protocol.
"""

from __future__ import annotations

# NumPy's PyArrayObject and PyArray_Descr, on 64-bit machines.
TYPE, ARRAY_DATA, ARRAY_NDIM, ARRAY_SHAPE, ARRAY_DTYPE, ARRAY_FLAGS = 8, 16, 24, 32, 56, 64
DTYPE_ORDER, DTYPE_NUMBER = 26, 28
C_CONTIGUOUS, ALIGNED, WRITEABLE = 0x0001, 0x0100, 0x0400

# Python's Py_buffer, and what is asked for: format, shape, C order.
VIEW, VIEW_NDIM, VIEW_FORMAT, VIEW_SHAPE = 80, 36, 40, 48
REQUEST, REQUEST_WRITABLE = 0x0004 | 0x0038, 0x0001

# `_Entry` and `_Argument` of call.py.
MAIN, TABLE, COUNT, ARRAY_TYPE, ARGUMENTS, RELEASE = 0, 8, 16, 24, 32, 40
PLACE, SHAPE, NDIM, FLAGS, NUMBER, CODE, ALIGN, ASK, SIZE = 0, 8, 16, 20, 24, 32, 34, 36, 40


def call_ir() -> str:
    """The module."""
    return f"{DECLARATIONS}{SHAPES}{ARRAY}{BUFFER}{ENTRY}\n"


DECLARATIONS = """
declare i32 @PyObject_GetBuffer(ptr, ptr, i32)
declare void @PyBuffer_Release(ptr)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare ptr @PyLong_FromLongLong(i64)
declare ptr @PyLong_AsVoidPtr(ptr)
declare void @PyErr_Clear()
declare void @PyErr_SetString(ptr, ptr)
@PyExc_TypeError = external global ptr
@message = private constant [46 x i8] c"a program was given a wrong number of arrays.\\00"
"""

SHAPES = f"""
define internal i1 @same_shape(ptr %argument, i32 %ndim, ptr %shape) nounwind {{
entry:
  %ndim.p = getelementptr i8, ptr %argument, i64 {NDIM}
  %wanted.ndim = load i32, ptr %ndim.p
  %shape.p = getelementptr i8, ptr %argument, i64 {SHAPE}
  %wanted = load ptr, ptr %shape.p
  %same = icmp eq i32 %ndim, %wanted.ndim
  br i1 %same, label %next, label %no
next:
  %i = phi i32 [ 0, %entry ], [ %i.next, %equal ]
  %more = icmp slt i32 %i, %ndim
  br i1 %more, label %look, label %yes
look:
  %a.p = getelementptr i64, ptr %shape, i32 %i
  %b.p = getelementptr i64, ptr %wanted, i32 %i
  %a = load i64, ptr %a.p
  %b = load i64, ptr %b.p
  %i.next = add i32 %i, 1
  %is = icmp eq i64 %a, %b
  br i1 %is, label %equal, label %no
equal:
  br label %next
yes:
  ret i1 true
no:
  ret i1 false
}}"""

ARRAY = f"""
; the address of an ndarray's elements, or null
define internal ptr @array(ptr %argument, ptr %object) nounwind {{
  %flags.p = getelementptr i8, ptr %object, i64 {ARRAY_FLAGS}
  %flags = load i32, ptr %flags.p
  %wanted.p = getelementptr i8, ptr %argument, i64 {FLAGS}
  %wanted = load i32, ptr %wanted.p
  %both = and i32 %flags, %wanted
  %right = icmp eq i32 %both, %wanted
  br i1 %right, label %type, label %no
type:
  %dtype.p = getelementptr i8, ptr %object, i64 {ARRAY_DTYPE}
  %dtype = load ptr, ptr %dtype.p
  %number.p = getelementptr i8, ptr %dtype, i64 {DTYPE_NUMBER}
  %number = load i32, ptr %number.p
  %order.p = getelementptr i8, ptr %dtype, i64 {DTYPE_ORDER}
  %order = load i8, ptr %order.p
  %first.p = getelementptr i8, ptr %argument, i64 {NUMBER}
  %first = load i32, ptr %first.p
  %second.p = getelementptr i8, ptr %argument, i64 {NUMBER + 4}
  %second = load i32, ptr %second.p
  %is.first = icmp eq i32 %number, %first
  %is.second = icmp eq i32 %number, %second
  %is.either = or i1 %is.first, %is.second
  %swapped = icmp eq i8 %order, {ord(">")}
  %known = xor i1 %swapped, true
  %good = and i1 %is.either, %known
  br i1 %good, label %dimensions, label %no
dimensions:
  %ndim.p = getelementptr i8, ptr %object, i64 {ARRAY_NDIM}
  %ndim = load i32, ptr %ndim.p
  %shape.p = getelementptr i8, ptr %object, i64 {ARRAY_SHAPE}
  %shape = load ptr, ptr %shape.p
  %same = call i1 @same_shape(ptr %argument, i32 %ndim, ptr %shape)
  br i1 %same, label %yes, label %no
yes:
  %data.p = getelementptr i8, ptr %object, i64 {ARRAY_DATA}
  %data = load ptr, ptr %data.p
  ret ptr %data
no:
  ret ptr null
}}"""

BUFFER = f"""
; the address of any object's elements, or null; the view stays open only if it fits
define internal ptr @buffer(ptr %argument, ptr %object, ptr %view) nounwind {{
  %ask.p = getelementptr i8, ptr %argument, i64 {ASK}
  %ask = load i32, ptr %ask.p
  %failed = call i32 @PyObject_GetBuffer(ptr %object, ptr %view, i32 %ask)
  %none = icmp ne i32 %failed, 0
  br i1 %none, label %refused, label %format
refused:
  call void @PyErr_Clear()
  %view.object = getelementptr i8, ptr %view, i64 8
  store ptr null, ptr %view.object
  ret ptr null
format:
  %format.p = getelementptr i8, ptr %view, i64 {VIEW_FORMAT}
  %text = load ptr, ptr %format.p
  %unnamed = icmp eq ptr %text, null
  br i1 %unnamed, label %no, label %named
named:
  %head = load i8, ptr %text
  %native = icmp eq i8 %head, {ord("@")}
  %standard = icmp eq i8 %head, {ord("=")}
  %little = icmp eq i8 %head, {ord("<")}
  %prefix.0 = or i1 %native, %standard
  %prefix = or i1 %prefix.0, %little
  %skip = zext i1 %prefix to i64
  %code.p = getelementptr i8, ptr %text, i64 %skip
  %code = load i8, ptr %code.p
  %first.p = getelementptr i8, ptr %argument, i64 {CODE}
  %first = load i8, ptr %first.p
  %second.p = getelementptr i8, ptr %argument, i64 {CODE + 1}
  %second = load i8, ptr %second.p
  %is.first = icmp eq i8 %code, %first
  %is.second = icmp eq i8 %code, %second
  %is.either = or i1 %is.first, %is.second
  br i1 %is.either, label %ended, label %no
ended:
  %after.p = getelementptr i8, ptr %code.p, i64 1
  %after = load i8, ptr %after.p
  %end = icmp eq i8 %after, 0
  %data = load ptr, ptr %view
  %bits = ptrtoint ptr %data to i64
  %align.p = getelementptr i8, ptr %argument, i64 {ALIGN}
  %align.16 = load i16, ptr %align.p
  %align = zext i16 %align.16 to i64
  %mask = sub i64 %align, 1
  %rest = and i64 %bits, %mask
  %aligned = icmp eq i64 %rest, 0
  %fine = and i1 %end, %aligned
  br i1 %fine, label %dimensions, label %no
dimensions:
  %ndim.p = getelementptr i8, ptr %view, i64 {VIEW_NDIM}
  %ndim = load i32, ptr %ndim.p
  %shape.p = getelementptr i8, ptr %view, i64 {VIEW_SHAPE}
  %shape = load ptr, ptr %shape.p
  %same = call i1 @same_shape(ptr %argument, i32 %ndim, ptr %shape)
  br i1 %same, label %yes, label %no
yes:
  ret ptr %data
no:
  call void @PyBuffer_Release(ptr %view)
  ret ptr null
}}"""

ENTRY = f"""
define ptr @rg_entry(ptr %self, ptr %objects, i64 %given) nounwind {{
entry:
  %e = call ptr @PyLong_AsVoidPtr(ptr %self)
  %count.p = getelementptr i8, ptr %e, i64 {COUNT}
  %count = load i64, ptr %count.p
  %right = icmp eq i64 %given, %count
  br i1 %right, label %begin, label %wrong
wrong:
  %error = load ptr, ptr @PyExc_TypeError
  call void @PyErr_SetString(ptr %error, ptr @message)
  ret ptr null
begin:
  %table.p = getelementptr i8, ptr %e, i64 {TABLE}
  %table = load ptr, ptr %table.p
  %array.type.p = getelementptr i8, ptr %e, i64 {ARRAY_TYPE}
  %array.type = load ptr, ptr %array.type.p
  %arguments.p = getelementptr i8, ptr %e, i64 {ARGUMENTS}
  %arguments = load ptr, ptr %arguments.p
  %found = alloca ptr, i64 %count, align 16
  %bytes = mul i64 %count, {VIEW}
  %views = alloca i8, i64 %bytes, align 16
  br label %next
next:
  %i = phi i64 [ 0, %begin ], [ %i.next, %have ]
  %opened = phi i64 [ 0, %begin ], [ %opened.next, %have ]
  %more = icmp slt i64 %i, %count
  br i1 %more, label %take, label %run
take:
  %argument.place = mul i64 %i, {SIZE}
  %argument = getelementptr i8, ptr %arguments, i64 %argument.place
  %object.p = getelementptr ptr, ptr %objects, i64 %i
  %object = load ptr, ptr %object.p
  %type.p = getelementptr i8, ptr %object, i64 {TYPE}
  %type = load ptr, ptr %type.p
  %exact = icmp eq ptr %type, %array.type
  br i1 %exact, label %array, label %other
array:
  %from.array = call ptr @array(ptr %argument, ptr %object)
  br label %taken
other:
  %view.place = mul i64 %opened, {VIEW}
  %view = getelementptr i8, ptr %views, i64 %view.place
  %from.buffer = call ptr @buffer(ptr %argument, ptr %object, ptr %view)
  %opened.more = add i64 %opened, 1
  br label %taken
taken:
  %data = phi ptr [ %from.array, %array ], [ %from.buffer, %other ]
  %opened.next = phi i64 [ %opened, %array ], [ %opened.more, %other ]
  %missing = icmp eq ptr %data, null
  br i1 %missing, label %unfit, label %have
have:
  %found.p = getelementptr ptr, ptr %found, i64 %i
  store ptr %data, ptr %found.p
  %i.next = add i64 %i, 1
  br label %next
unfit:
  %not.opened = icmp ne ptr %type, %array.type
  %one = zext i1 %not.opened to i64
  %left = sub i64 %opened.next, %one
  %negative = xor i64 %i, -1
  br label %close
run:
  %main.p = getelementptr i8, ptr %e, i64 {MAIN}
  %main = load ptr, ptr %main.p
  br label %write
write:
  %w = phi i64 [ 0, %run ], [ %w.next, %put ]
  %writing = icmp slt i64 %w, %count
  br i1 %writing, label %put, label %written
put:
  %w.place = mul i64 %w, {SIZE}
  %w.argument = getelementptr i8, ptr %arguments, i64 %w.place
  %slot = load i64, ptr %w.argument
  %w.found.p = getelementptr ptr, ptr %found, i64 %w
  %w.found = load ptr, ptr %w.found.p
  %slot.p = getelementptr i8, ptr %table, i64 %slot
  store ptr %w.found, ptr %slot.p
  %w.next = add i64 %w, 1
  br label %write
written:
  %release.p = getelementptr i8, ptr %e, i64 {RELEASE}
  %release = load i64, ptr %release.p
  %holding = icmp eq i64 %release, 0
  br i1 %holding, label %short, label %long
short:
  %status.short = call i64 %main(ptr %table)
  br label %close
long:
  %thread = call ptr @PyEval_SaveThread()
  %status.long = call i64 %main(ptr %table)
  call void @PyEval_RestoreThread(ptr %thread)
  br label %close
close:
  %status = phi i64 [ %negative, %unfit ], [ %status.short, %short ], [ %status.long, %long ]
  %open = phi i64 [ %left, %unfit ], [ %opened, %short ], [ %opened, %long ]
  br label %closing
closing:
  %c = phi i64 [ %open, %close ], [ %c.next, %shut ]
  %remaining = icmp sgt i64 %c, 0
  br i1 %remaining, label %shut, label %back
shut:
  %c.next = sub i64 %c, 1
  %c.place = mul i64 %c.next, {VIEW}
  %c.view = getelementptr i8, ptr %views, i64 %c.place
  call void @PyBuffer_Release(ptr %c.view)
  br label %closing
back:
  %result = call ptr @PyLong_FromLongLong(i64 %status)
  ret ptr %result
}}"""
