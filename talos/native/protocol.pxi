# One connection on the event loop, as far as it has to be quick: from the read of the loop to the
# response of the fast path and out, without an object between. What waits, fails, or is not in the
# cache is decided in talos/serving/http/protocol.py, which derives from the class below.
#
# All of this runs on the thread of the event loop, and nothing in it waits.

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.errno cimport EAGAIN, EINTR
from posix.time cimport CLOCK_REALTIME, clock_gettime, timespec

cdef extern from "sys/socket.h" nogil:
    enum:
        MSG_DONTWAIT
        MSG_NOSIGNAL
    ssize_t send(int descriptor, const void* data, size_t size, int flags)

cdef enum:
    # The most that is taken from a connection at once, and so the most that waits behind a request
    # that is being answered.
    ROOM_BYTES = 65536


cdef int64_t realtime_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_REALTIME, &now)
    return <int64_t>now.tv_sec * NANOSECONDS + now.tv_nsec


@cython.final
@cython.auto_pickle(False)
cdef class FastPathContext:
    cdef FastPath path            # None: nothing is answered at once
    cdef bytearray buffer
    cdef object configure
    cdef Py_buffer watched
    cdef const uint64_t* revision    # NULL: the configuration never changes
    cdef uint64_t seen

    def __init__(self, FastPath fast_path=None, *, configure=None, revision=None):
        self.buffer = bytearray(ROOM_BYTES)
        self.configure = configure
        if self.revision != NULL:
            raise ValueError("made already")
        if revision is not None:
            PyObject_GetBuffer(revision, &self.watched, PyBUF_SIMPLE)
            if self.watched.len != sizeof(uint64_t) or <size_t>self.watched.buf % WORD:
                PyBuffer_Release(&self.watched)
                raise ValueError("a revision is one aligned word")
            self.revision = <const uint64_t*>self.watched.buf
            self.seen = load_acquire(self.revision)
        if configure is not None:
            configure()
        self.path = fast_path

    def __dealloc__(self):
        if self.revision != NULL:
            PyBuffer_Release(&self.watched)

    def __reduce__(self):
        raise TypeError("a FastPathContext cannot be pickled")

    cdef bint refresh(self) except -1:
        """Bring the fast path in line with the configuration of now."""
        cdef uint64_t revision
        if self.revision != NULL:
            # Pairs with the store that ends SharedConfig.publish: who sees the number finds what it
            # stands for. An edit is logged after that, so whoever has read of it in the log is
            # answered under it.
            revision = load_acquire(self.revision)
            if revision != self.seen:
                if self.configure is not None:
                    self.configure()
                self.seen = revision
        return True


@cython.auto_pickle(False)
cdef class FastPathProtocol:
    cdef FastPathContext context
    cdef int descriptor
    cdef public bint fast_path_allowed
    cdef public bint served

    def __init__(self, FastPathContext context not None, int descriptor):
        self.context = context
        self.descriptor = descriptor
        self.fast_path_allowed = False
        self.served = False

    def __reduce__(self):
        raise TypeError("a connection cannot be pickled")

    def get_buffer(self, sizehint):
        return self.context.buffer

    def buffer_updated(self, Py_ssize_t nbytes):
        cdef size_t used = 0
        if not 0 <= nbytes <= PyByteArray_GET_SIZE(self.context.buffer):
            raise ValueError("more bytes than there is room for")
        if self.fast_path_allowed:
            used = self.answer(
                <const uint8_t*>PyByteArray_AS_STRING(self.context.buffer), <size_t>nbytes
            )
            if used == <size_t>nbytes:
                return
        self.received(memoryview(self.context.buffer)[used:nbytes])

    def answer_by_fast_path(self, bytes data not None):
        cdef size_t size = <size_t>PyBytes_GET_SIZE(data)
        cdef size_t used = self.answer(bytes_data(data), size)
        # What is read next is the parser's. Every request that goes there has come by here.
        if self.context.path is not None:
            self.context.path.count_decline(bytes_data(data) + used, size - used)
        return used

    def lacks_body(self, bytes data not None):
        cdef Recognised request
        cdef size_t size = <size_t>PyBytes_GET_SIZE(data)
        if self.context.path is None or recognise(bytes_data(data), 0, size, &request):
            return False
        return request.end > size

    def received(self, data):
        raise NotImplementedError

    def unsent(self, data, closing):
        raise NotImplementedError

    def answered_last(self):
        raise NotImplementedError

    def broken(self):
        raise NotImplementedError

    cdef size_t answer(self, const uint8_t* data, size_t size) except? -1:
        """Answer what ``data`` begins with; return the position behind it.

        Ends early where an answer is not taken at once: what waits to be sent is bounded by that.
        """
        cdef FastPath path = self.context.path
        cdef size_t used = 0, end
        cdef int64_t now_ns
        if path is None:
            return 0
        path.declined = NOT_DECLINED
        self.context.refresh()
        now_ns = realtime_ns()
        while used < size:
            end = path.answer_into(data, used, size, now_ns)
            if end == used:
                break
            used = end
            self.served = True
            if not self.send_all(path.out, path.filled, path.closing):
                # What comes next will be looked at again.
                path.declined = NOT_DECLINED
                break
            if path.closing:
                self.fast_path_allowed = False
                self.answered_last()
                break
        return used

    cdef bint send_all(self, const uint8_t* data, size_t size, bint closing) except -1:
        """Send, past the transport: whoever lets this run knows that nothing waits in there.

        False where the socket did not take everything; the transport has the rest then.
        """
        cdef ssize_t sent
        while True:
            sent = send(self.descriptor, data, size, MSG_DONTWAIT | MSG_NOSIGNAL)
            if sent == <ssize_t>size:
                return True
            if sent >= 0 or errno == EAGAIN:
                sent = max(sent, 0)
                self.fast_path_allowed = False
                self.unsent(PyBytes_FromStringAndSize(<const char*>data + sent, size - sent), closing)
                return False
            if errno != EINTR:
                self.fast_path_allowed = False
                self.broken()
                return False
