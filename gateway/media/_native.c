/* The innermost steps of the media plane in C: what is done with each datagram, and nothing that decides anything.
 *
 * Owns one function for each that `@native` marks (datagrams.py, srtp.py, rtp.py, opus.py, loudness.py): it takes and
 * gives the same, and the one in Python says what that is. It must not know calls, clocks or policies.
 * Invariant: whatever the bytes of others are, nothing outside of them is read, and nothing that was made is leaked.
 *
 * The GIL is kept throughout: nothing here waits, and to give it away and get it back takes longer than the work. It
 * also guards the buffers, which all calls share: less memory for a hundred calls to touch in turns.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>
#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#define DATAGRAM_MAX_BYTES 1500 /* as in datagrams.py */
#define READ_BYTES (DATAGRAM_MAX_BYTES + 1) /* so that what is too long shows */
#define AT_ONCE 16 /* datagrams for each system call; a hundred calls send twice as many between two looks */
#define ADDRESSES_MAX 4096 /* whose text is kept; a hundred calls have some hundreds */
#define SRTP_TRAILER_MAX_BYTES 256 /* of pylibsrtp SRTP_MAX_TRAILER_LEN is 144, SRTP_MAX_SRTCP_TRAILER_LEN 148 */
#define OPUS_MAX_SAMPLES 5760 /* 120 ms of 48 kHz (RFC 6716, section 3.2.5) */
#define OPUS_MAX_BYTES 1276 /* as in opus.py */

/* --- datagrams.py -------------------------------------------------------------------------------------------- */

static PyObject *addresses; /* {bytes of a sockaddr: (host, port)} */

static PyObject *address_of(const struct sockaddr_storage *from, socklen_t size)
{
    PyObject *key = PyBytes_FromStringAndSize((const char *)from, size);
    if (key == NULL)
        return NULL;
    PyObject *known = PyDict_GetItemWithError(addresses, key);
    if (known != NULL || PyErr_Occurred()) {
        Py_XINCREF(known);
        Py_DECREF(key);
        return known;
    }
    char host[INET6_ADDRSTRLEN] = "";
    int port = 0;
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)from;
        inet_ntop(AF_INET, &ipv4->sin_addr, host, sizeof host);
        port = ntohs(ipv4->sin_port);
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)from;
        inet_ntop(AF_INET6, &ipv6->sin6_addr, host, sizeof host);
        port = ntohs(ipv6->sin6_port);
    }
    if (PyDict_GET_SIZE(addresses) >= ADDRESSES_MAX)
        PyDict_Clear(addresses);
    PyObject *made = Py_BuildValue("(si)", host, port);
    if (made != NULL && PyDict_SetItem(addresses, key, made) < 0)
        Py_CLEAR(made);
    Py_DECREF(key);
    return made;
}

static PyObject *receive(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    static char buffers[AT_ONCE][READ_BYTES];
    struct sockaddr_storage from[AT_ONCE];
    struct iovec parts[AT_ONCE];
    struct mmsghdr messages[AT_ONCE];

    if (count != 2)
        return PyErr_Format(PyExc_TypeError, "receive takes a socket and how many datagrams at most");
    int descriptor = PyObject_AsFileDescriptor(args[0]);
    if (descriptor < 0)
        return NULL;
    long most = PyLong_AsLong(args[1]);
    if (most == -1 && PyErr_Occurred())
        return NULL;
    PyObject *datagrams = PyList_New(0);
    if (datagrams == NULL)
        return NULL;
    while (most > 0) {
        unsigned wanted = most < AT_ONCE ? (unsigned)most : AT_ONCE;
        memset(messages, 0, sizeof *messages * wanted);
        for (unsigned i = 0; i < wanted; i++) {
            parts[i] = (struct iovec){buffers[i], READ_BYTES};
            messages[i].msg_hdr.msg_name = &from[i];
            messages[i].msg_hdr.msg_namelen = sizeof from[i];
            messages[i].msg_hdr.msg_iov = &parts[i];
            messages[i].msg_hdr.msg_iovlen = 1;
        }
        int got = recvmmsg(descriptor, messages, wanted, MSG_DONTWAIT, NULL);
        if (got <= 0)
            break;
        for (int i = 0; i < got; i++) {
            PyObject *address = address_of(&from[i], messages[i].msg_hdr.msg_namelen);
            PyObject *data = PyBytes_FromStringAndSize(buffers[i], messages[i].msg_len);
            PyObject *datagram = address != NULL && data != NULL ? PyTuple_Pack(2, data, address) : NULL;
            Py_XDECREF(address);
            Py_XDECREF(data);
            if (datagram == NULL || PyList_Append(datagrams, datagram) < 0) {
                Py_XDECREF(datagram);
                Py_DECREF(datagrams);
                return NULL;
            }
            Py_DECREF(datagram);
        }
        most -= got;
        if ((unsigned)got < wanted)
            break;
    }
    return datagrams;
}

/* --- srtp.py --------------------------------------------------------------------------------------------------- */

typedef int (*srtp_function)(void *session, void *packet, int *length);

/* Raises pylibsrtp's own exception, with its words. */
static PyObject *refused(int error)
{
    PyObject *pylibsrtp = PyImport_ImportModule("pylibsrtp");
    PyObject *type = pylibsrtp != NULL ? PyObject_GetAttrString(pylibsrtp, "Error") : NULL;
    PyObject *words = type != NULL ? PyObject_GetAttrString(pylibsrtp, "ERRORS") : NULL;
    PyObject *word = words != NULL ? PySequence_GetItem(words, error) : NULL;
    if (word != NULL)
        PyErr_SetObject(type, word);
    Py_XDECREF(word);
    Py_XDECREF(words);
    Py_XDECREF(type);
    Py_XDECREF(pylibsrtp);
    return NULL;
}

static PyObject *srtp_pass(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    static _Alignas(16) char buffer[DATAGRAM_MAX_BYTES + SRTP_TRAILER_MAX_BYTES];
    if (count != 3 || !PyBytes_CheckExact(args[2]))
        return PyErr_Format(PyExc_TypeError, "srtp_pass takes a function, a session and a packet");
    srtp_function function = (srtp_function)PyLong_AsVoidPtr(args[0]);
    void *session = PyLong_AsVoidPtr(args[1]);
    if (PyErr_Occurred())
        return NULL;
    if (function == NULL || session == NULL)
        return PyErr_Format(PyExc_ValueError, "srtp_pass: no session");
    Py_ssize_t size = PyBytes_GET_SIZE(args[2]);
    if (size > DATAGRAM_MAX_BYTES)
        return PyErr_Format(PyExc_ValueError, "%zd bytes are too long for a packet", size);
    int length = (int)size;
    memcpy(buffer, PyBytes_AS_STRING(args[2]), size);
    int error = function(session, buffer, &length);
    return error ? refused(error) : PyBytes_FromStringAndSize(buffer, length);
}

/* --- rtp.py ---------------------------------------------------------------------------------------------------- */

enum { PAYLOAD_TYPE, SEQUENCE, TIMESTAMP, SSRC, PAYLOAD, MARKER, LEVEL_DBOV, VOICE, FIELDS };
static const char *const field_names[FIELDS] = {"payload_type", "sequence", "timestamp", "ssrc",
                                                "payload", "marker", "level_dbov", "voice"};
static PyTypeObject *packet_type;
static Py_ssize_t offsets[FIELDS];

#define FIELD(packet, field) (*(PyObject **)((char *)(packet) + offsets[field]))

static uint16_t u16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }
static uint32_t u32(const uint8_t *at) { return (uint32_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3]; }

/* Where the slots of rtp.Packet are; false, with an exception, when that cannot be found out. */
static int knows_packets(void)
{
    if (packet_type != NULL)
        return 1;
    PyObject *rtp = PyImport_ImportModule("gateway.media.rtp");
    PyObject *type = rtp != NULL ? PyObject_GetAttrString(rtp, "Packet") : NULL;
    Py_XDECREF(rtp);
    if (type == NULL)
        return 0;
    for (int field = 0; field < FIELDS; field++) {
        PyObject *member = PyObject_GetAttrString(type, field_names[field]);
        if (member == NULL || !Py_IS_TYPE(member, &PyMemberDescr_Type)) {
            PyErr_Format(PyExc_TypeError, "Packet.%s is not a slot", field_names[field]);
            Py_XDECREF(member);
            Py_DECREF(type);
            return 0;
        }
        offsets[field] = ((PyMemberDescrObject *)member)->d_member->offset;
        Py_DECREF(member);
    }
    packet_type = (PyTypeObject *)type;
    return 1;
}

/* A packet; the payload's reference is taken. */
static PyObject *new_packet(unsigned payload_type, uint16_t sequence, uint32_t timestamp, PyObject *ssrc,
                            PyObject *payload, PyObject *marker, PyObject *level, PyObject *voice)
{
    PyObject *packet = payload != NULL ? packet_type->tp_alloc(packet_type, 0) : NULL;
    if (packet == NULL) {
        Py_XDECREF(payload);
        return NULL;
    }
    FIELD(packet, PAYLOAD) = payload;
    FIELD(packet, SSRC) = Py_NewRef(ssrc);
    FIELD(packet, MARKER) = Py_NewRef(marker);
    FIELD(packet, LEVEL_DBOV) = Py_NewRef(level);
    FIELD(packet, VOICE) = Py_NewRef(voice);
    if ((FIELD(packet, PAYLOAD_TYPE) = PyLong_FromLong(payload_type)) == NULL ||
        (FIELD(packet, SEQUENCE) = PyLong_FromLong(sequence)) == NULL ||
        (FIELD(packet, TIMESTAMP) = PyLong_FromUnsignedLong(timestamp)) == NULL)
        Py_CLEAR(packet);
    return packet;
}

/* Where the audio level is (RFC 6464) among the extensions of RFC 8285; NULL when it is not. */
static const uint8_t *level_at(const uint8_t *at, const uint8_t *end, unsigned profile, long wanted)
{
    if (profile == 0xBEDE) { /* section 4.2 */
        while (at < end) {
            if (*at == 0) { /* padding */
                at++;
                continue;
            }
            if (*at >> 4 == 15) /* reserved: stop here */
                return NULL;
            if (*at >> 4 == wanted)
                return at + 1 < end ? at + 1 : NULL;
            at += 2 + (*at & 0x0F);
        }
    } else if ((profile & 0xFFF0) == 0x1000) { /* section 4.3 */
        while (at < end) {
            if (*at == 0) {
                at++;
                continue;
            }
            unsigned length = at + 1 < end ? at[1] : 0;
            if (*at == wanted && length)
                return at + 2 < end ? at + 2 : NULL;
            at += 2 + length;
        }
    }
    return NULL;
}

static PyObject *parse(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count < 1 || count > 2 || !PyBytes_CheckExact(args[0]))
        return PyErr_Format(PyExc_TypeError, "parse takes bytes and the id of the audio level");
    if (!knows_packets())
        return NULL;
    long wanted = -1;
    if (count == 2 && args[1] != Py_None && (wanted = PyLong_AsLong(args[1])) == -1 && PyErr_Occurred())
        return NULL;
    const uint8_t *data = (const uint8_t *)PyBytes_AS_STRING(args[0]);
    Py_ssize_t size = PyBytes_GET_SIZE(args[0]);
    if (size < 12 || data[0] >> 6 != 2)
        Py_RETURN_NONE;
    Py_ssize_t offset = 12 + 4 * (data[0] & 0x0F), end = size;
    const uint8_t *level = NULL;
    if (data[0] & 0x10) {
        if (offset + 4 > size)
            Py_RETURN_NONE;
        Py_ssize_t begin = offset + 4;
        offset = begin + 4 * u16(data + begin - 2);
        if (offset > size)
            Py_RETURN_NONE;
        if (wanted >= 0)
            level = level_at(data + begin, data + offset, u16(data + begin - 4), wanted);
    }
    if (data[0] & 0x20) {
        if (data[size - 1] == 0)
            Py_RETURN_NONE;
        end -= data[size - 1];
    }
    if (offset > end)
        Py_RETURN_NONE;
    PyObject *ssrc = PyLong_FromUnsignedLong(u32(data + 8));
    PyObject *dbov = level != NULL ? PyLong_FromLong(-(long)(*level & 0x7F)) : Py_NewRef(Py_None);
    PyObject *packet = NULL;
    if (ssrc != NULL && dbov != NULL)
        packet = new_packet(data[1] & 0x7F, u16(data + 2), u32(data + 4), ssrc,
                            PyBytes_FromStringAndSize((const char *)data + offset, end - offset),
                            data[1] >> 7 ? Py_True : Py_False, dbov, level != NULL && *level >> 7 ? Py_True : Py_False);
    Py_XDECREF(ssrc);
    Py_XDECREF(dbov);
    return packet;
}

static int append(PyObject *list, PyObject *made)
{
    int failed = made == NULL || PyList_Append(list, made) < 0;
    Py_XDECREF(made);
    return failed;
}

static PyObject *unwrap_red(PyObject *module, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    if (!knows_packets())
        return NULL;
    Py_ssize_t named = names != NULL ? PyTuple_GET_SIZE(names) : 0;
    if (count != 1 || named > 1 || !Py_IS_TYPE(args[0], packet_type) ||
        (named && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "copies")))
        return PyErr_Format(PyExc_TypeError, "unwrap_red takes a packet, and with copies= whether those are wanted");
    PyObject *packet = args[0], *payload = FIELD(packet, PAYLOAD);
    for (int field = 0; field < FIELDS; field++)
        if (FIELD(packet, field) == NULL)
            return PyErr_Format(PyExc_AttributeError, "the packet has no %s", field_names[field]);
    int copies = named ? PyObject_IsTrue(args[1]) : 1;
    if (copies < 0)
        return NULL;
    if (!PyBytes_CheckExact(payload))
        return PyErr_Format(PyExc_TypeError, "a payload is bytes");
    const uint8_t *data = (const uint8_t *)PyBytes_AS_STRING(payload);
    Py_ssize_t size = PyBytes_GET_SIZE(payload), offset = 0, copied = 0;
    while (offset < size && data[offset] & 0x80) {
        if (offset + 4 > size)
            return PyList_New(0);
        copied += u32(data + offset) & 0x3FF;
        offset += 4;
    }
    Py_ssize_t heads = offset, begin = offset + 1;
    if (begin + copied > size)
        return PyList_New(0);
    unsigned long sequence = PyLong_AsUnsignedLong(FIELD(packet, SEQUENCE));
    unsigned long timestamp = PyLong_AsUnsignedLong(FIELD(packet, TIMESTAMP));
    if (PyErr_Occurred())
        return NULL;
    PyObject *ssrc = FIELD(packet, SSRC), *marker = FIELD(packet, MARKER), *found = PyList_New(0);
    if (found == NULL)
        return NULL;
    if (copies)
        for (Py_ssize_t head = 0, at = begin; head < heads; head += 4) {
            uint32_t word = u32(data + head);
            unsigned length = word & 0x3FF;
            Py_ssize_t distance = (heads - head) / 4;
            if (length && append(found, new_packet(word >> 24 & 0x7F, (uint16_t)(sequence - distance),
                                                   (uint32_t)(timestamp - (word >> 10 & 0x3FFF)), ssrc,
                                                   PyBytes_FromStringAndSize((const char *)data + at, length), marker,
                                                   Py_None, Py_False)))
                goto failed;
            at += length;
        }
    if (begin + copied < size &&
        append(found, new_packet(data[heads] & 0x7F, (uint16_t)sequence, (uint32_t)timestamp, ssrc,
                                 PyBytes_FromStringAndSize((const char *)data + begin + copied, size - begin - copied),
                                 marker, FIELD(packet, LEVEL_DBOV), FIELD(packet, VOICE))))
        goto failed;
    return found;
failed:
    Py_DECREF(found);
    return NULL;
}

/* --- opus.py --------------------------------------------------------------------------------------------------- */

typedef int (*opus_decode_function)(void *, const unsigned char *, int32_t, int16_t *, int, int);
typedef int32_t (*opus_encode_function)(void *, const int16_t *, int, unsigned char *, int32_t);

static PyObject *opus_decode(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    static int16_t pcm[OPUS_MAX_SAMPLES];
    if (count != 5 || !(args[2] == Py_None || PyBytes_CheckExact(args[2])))
        return PyErr_Format(PyExc_TypeError, "opus_decode takes a function, a decoder, a payload, a length and fec");
    opus_decode_function function = (opus_decode_function)PyLong_AsVoidPtr(args[0]);
    void *decoder = PyLong_AsVoidPtr(args[1]);
    long samples = PyLong_AsLong(args[3]);
    int fec = PyObject_IsTrue(args[4]);
    if (PyErr_Occurred())
        return NULL;
    if (function == NULL || decoder == NULL || samples < 0 || samples > OPUS_MAX_SAMPLES)
        return PyErr_Format(PyExc_ValueError, "opus_decode: no decoder, or a length of %ld", samples);
    const unsigned char *payload = args[2] == Py_None ? NULL : (const unsigned char *)PyBytes_AS_STRING(args[2]);
    int got = function(decoder, payload, payload ? (int32_t)PyBytes_GET_SIZE(args[2]) : 0, pcm, (int)samples, fec);
    if (got < 0)
        return PyErr_Format(PyExc_ValueError, "libopus cannot decode this packet (error %d)", got);
    return PyBytes_FromStringAndSize((const char *)pcm, 2 * (Py_ssize_t)got);
}

static PyObject *opus_encode(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    static unsigned char packet[OPUS_MAX_BYTES];
    if (count != 3 || !PyBytes_CheckExact(args[2]))
        return PyErr_Format(PyExc_TypeError, "opus_encode takes a function, an encoder and sound");
    opus_encode_function function = (opus_encode_function)PyLong_AsVoidPtr(args[0]);
    void *encoder = PyLong_AsVoidPtr(args[1]);
    if (PyErr_Occurred())
        return NULL;
    if (function == NULL || encoder == NULL)
        return PyErr_Format(PyExc_ValueError, "opus_encode: no encoder");
    int32_t got = function(encoder, (const int16_t *)PyBytes_AS_STRING(args[2]), (int)(PyBytes_GET_SIZE(args[2]) / 2),
                           packet, OPUS_MAX_BYTES);
    if (got < 0)
        return PyErr_Format(PyExc_ValueError, "libopus cannot encode %zd bytes as one frame (error %d)",
                            PyBytes_GET_SIZE(args[2]), (int)got);
    return PyBytes_FromStringAndSize((const char *)packet, got);
}

/* --- loudness.py ------------------------------------------------------------------------------------------------ */

static PyObject *mean_square(PyObject *module, PyObject *pcm)
{
    if (!PyBytes_CheckExact(pcm)) /* sound is bytes everywhere; nothing else is worth a second way */
        return PyErr_Format(PyExc_TypeError, "mean_square takes bytes");
    const uint8_t *at = (const uint8_t *)PyBytes_AS_STRING(pcm);
    Py_ssize_t count = PyBytes_GET_SIZE(pcm) / 2;
    if (PyBytes_GET_SIZE(pcm) % 2)
        return PyErr_Format(PyExc_ValueError, "%zd bytes end in half a sample", PyBytes_GET_SIZE(pcm));
    int64_t sum = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        int16_t sample = (int16_t)(at[2 * i] | at[2 * i + 1] << 8);
        sum += (int32_t)sample * sample;
    }
    return PyFloat_FromDouble(count ? (double)sum / (double)count : 0.0);
}

static PyMethodDef methods[] = {
    {"receive", (PyCFunction)(void (*)(void))receive, METH_FASTCALL, NULL},
    {"srtp_pass", (PyCFunction)(void (*)(void))srtp_pass, METH_FASTCALL, NULL},
    {"parse", (PyCFunction)(void (*)(void))parse, METH_FASTCALL, NULL},
    {"unwrap_red", (PyCFunction)(void (*)(void))unwrap_red, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"opus_decode", (PyCFunction)(void (*)(void))opus_decode, METH_FASTCALL, NULL},
    {"opus_encode", (PyCFunction)(void (*)(void))opus_encode, METH_FASTCALL, NULL},
    {"mean_square", mean_square, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_native", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__native(void)
{
    addresses = PyDict_New();
    return addresses != NULL ? PyModule_Create(&definition) : NULL;
}
