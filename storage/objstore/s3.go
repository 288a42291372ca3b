package objstore

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/weir-lake/weir/internal/errkind"
)

const (
	s3RegionDefault   = "us-east-1"
	s3AttemptsDefault = 5
	s3PartDefault     = 8 << 20 // bytes: one buffer per open Writer, 78 GiB at 10,000 parts
	s3PartMin         = 5 << 20 // bytes: S3 refuses smaller parts except the last
	s3PartsMax        = 10_000  // S3's limit
	s3BackoffDefault  = 100 * time.Millisecond
	s3BackoffMax      = 5 * time.Second
	backoffDoublings  = 10 // keeps the shift from overflowing; s3BackoffMax cuts earlier
	// s3HeaderTimeout ends a request that a hung server took and never answers.
	s3HeaderTimeout = time.Minute
	// s3IdleConns lets a scan that reads many files at once keep its connections.
	s3IdleConns = 64
	// s3CleanupTimeout bounds what is done after the caller's ctx has ended.
	s3CleanupTimeout = 10 * time.Second
	// putTokenKey is the metadata entry that tells whose put an object is.
	putTokenKey = "weir-put"
	// probeDir holds the objects that test for conditional puts; below .weir, where
	// no Paimon engine looks.
	probeDir = ".weir/probe/"
)

// S3Options tunes access to S3; the zero value reads the environment as AWS tools do.
// Profiles and instance roles are not read: hand keys over by environment.
type S3Options struct {
	// Endpoint is the base URL of a store that is not AWS's. Default: AWS_ENDPOINT_URL_S3,
	// then AWS_ENDPOINT_URL, then AWS itself.
	Endpoint string
	// Region signs requests. Default: AWS_REGION, AWS_DEFAULT_REGION, us-east-1.
	Region string
	// AccessKey, SecretKey and SessionToken sign requests. Default: AWS_ACCESS_KEY_ID,
	// AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.
	AccessKey, SecretKey, SessionToken string
	// VirtualHost puts the bucket into the host name even with an Endpoint; without
	// one AWS's rules hold. Default: the bucket stands in the path.
	VirtualHost bool
	// ReadOnly leaves out the probe for conditional puts and refuses writes.
	ReadOnly bool
	// AttemptsMax bounds the tries of one request; 0 is 5.
	AttemptsMax int
	// Backoff is the mean wait before the second try of a request; it doubles up to
	// 5 s. 0 is 100 ms.
	Backoff time.Duration
	// PartBytes is the buffer of each open Writer and the size of its parts; 0 is
	// 8 MiB, at least 5 MiB.
	PartBytes int
	// HTTPClient sends the requests; nil is a client with time limits.
	HTTPClient *http.Client
}

func (o S3Options) withDefaults() S3Options {
	o.Endpoint = firstOf(o.Endpoint, "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
	o.Region = firstOf(o.Region, "AWS_REGION", "AWS_DEFAULT_REGION")
	if o.Region == "" {
		o.Region = s3RegionDefault
	}
	if o.AccessKey == "" {
		o.AccessKey = os.Getenv("AWS_ACCESS_KEY_ID")
		o.SecretKey = os.Getenv("AWS_SECRET_ACCESS_KEY")
		o.SessionToken = os.Getenv("AWS_SESSION_TOKEN")
	}
	if o.AttemptsMax == 0 {
		o.AttemptsMax = s3AttemptsDefault
	}
	if o.Backoff == 0 {
		o.Backoff = s3BackoffDefault
	}
	if o.PartBytes == 0 {
		o.PartBytes = s3PartDefault
	}
	return o
}

func firstOf(set string, env ...string) string {
	for _, name := range env {
		if set != "" {
			break
		}
		set = os.Getenv(name)
	}
	return set
}

func (o S3Options) validate() error {
	if o.AccessKey == "" || o.SecretKey == "" {
		return errkind.Errorf(errkind.Denied, "no S3 credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	if o.AttemptsMax < 0 || o.PartBytes < s3PartMin {
		return errkind.Errorf(errkind.Invalid, "S3 options: AttemptsMax %d must be positive, PartBytes %d at least %d", o.AttemptsMax, o.PartBytes, s3PartMin)
	}
	return nil
}

// backoff is the mean wait before the second try. It is the SDK's
// retry.BackoffDelayer, so that its retries and ours wait alike.
type backoff time.Duration

// BackoffDelay returns the wait after an attempt (from 1), spread so that many
// clients do not come back at once.
func (b backoff) BackoffDelay(attempt int, _ error) (time.Duration, error) {
	mean := min(time.Duration(b)<<min(max(attempt-1, 0), backoffDoublings), s3BackoffMax)
	return mean/2 + mathrand.N(mean), nil
}

// S3 keeps objects in an S3 bucket. PutIfAbsent is a PUT with If-None-Match: *;
// each put carries a random token in the object's metadata, so that a put whose
// reply was lost is recognised by reading the token back, even when two writers
// put the same bytes.
type S3 struct {
	client *s3.Client
	bucket string
	prefix string // "" or ends in a slash
	opts   S3Options
}

// NewS3 returns the store of keys below prefix ("" is the whole bucket). Unless
// opts.ReadOnly it puts a probe object twice and returns ErrNoConditionalPut if the
// second put succeeds.
func NewS3(ctx context.Context, bucket, prefix string, opts S3Options) (*S3, error) {
	opts = opts.withDefaults()
	prefix, err := cleanDir(prefix)
	if err != nil {
		return nil, err
	}
	s := &S3{bucket: bucket, prefix: prefix, opts: opts}
	if err := opts.validate(); err != nil {
		return nil, fmt.Errorf("open %s: %w", s.URI(""), err)
	}
	s.client = newS3Client(opts)
	if opts.ReadOnly {
		return s, nil
	}
	if err := s.probe(ctx); err != nil {
		return nil, fmt.Errorf("open %s: %w", s.URI(""), err)
	}
	return s, nil
}

func newS3Client(opts S3Options) *s3.Client {
	o := s3.Options{
		Region:       opts.Region,
		Credentials:  aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider(opts.AccessKey, opts.SecretKey, opts.SessionToken)),
		UsePathStyle: opts.Endpoint != "" && !opts.VirtualHost,
		Retryer: retry.NewStandard(func(so *retry.StandardOptions) {
			so.MaxAttempts = opts.AttemptsMax
			so.Backoff = backoff(opts.Backoff)
		}),
	}
	if opts.Endpoint != "" {
		o.BaseEndpoint = aws.String(opts.Endpoint)
	}
	if opts.HTTPClient != nil {
		o.HTTPClient = opts.HTTPClient
	} else {
		o.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.ResponseHeaderTimeout = s3HeaderTimeout
			t.MaxIdleConnsPerHost = s3IdleConns
		})
	}
	return s3.New(o)
}

// probe finds out whether the store honours If-None-Match: without it two writers
// would both believe they had committed the same snapshot.
func (s *S3) probe(ctx context.Context) error {
	key := probeDir + newToken()
	if err := s.PutIfAbsent(ctx, key, []byte("first")); err != nil {
		if errkind.Is(err, errkind.Denied) {
			return fmt.Errorf("%w (to read only, say so)", err)
		}
		return err
	}
	err := s.PutIfAbsent(ctx, key, []byte("second"))
	if derr := s.Delete(ctx, key); derr != nil && err != nil && !errors.Is(err, ErrExists) {
		return errors.Join(err, derr)
	}
	if err == nil {
		return fmt.Errorf("%w: a second put with If-None-Match: * succeeded: use a store that implements it", ErrNoConditionalPut)
	}
	if !errors.Is(err, ErrExists) {
		return err
	}
	return nil
}

func newToken() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// URI implements Store.
func (s *S3) URI(key string) string { return "s3://" + s.bucket + "/" + s.prefix + key }

func (s *S3) object(key string) *string { return aws.String(s.prefix + key) }

// ready checks what every write needs.
func (s *S3) ready(op, key string) error {
	if err := ValidateKey(key); err != nil {
		return err
	}
	if len(s.prefix)+len(key) > keyBytesMax {
		return errkind.Errorf(errkind.Invalid, "%s %s: with its prefix the key is longer than %d bytes", op, s.URI(key), keyBytesMax)
	}
	if s.opts.ReadOnly {
		return errkind.Errorf(errkind.Denied, "%s %s: the store was opened to read only", op, s.URI(key))
	}
	return nil
}

// httpStatus returns the status of the reply in err's chain; 0 if there was none.
func httpStatus(err error) int {
	var re *awshttp.ResponseError
	if errors.As(err, &re) {
		return re.HTTPStatusCode()
	}
	return 0
}

func apiCode(err error) string {
	var ae smithy.APIError
	if errors.As(err, &ae) {
		return ae.ErrorCode()
	}
	return ""
}

// wrap names the operation and object and sorts the error. A nil err stays nil.
func (s *S3) wrap(op, key string, err error) error {
	if err == nil {
		return nil
	}
	where := op + " " + s.URI(key)
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", where, err)
	}
	status, code := httpStatus(err), apiCode(err)
	switch {
	case code == "NoSuchBucket":
		return errkind.Errorf(errkind.NotFound, "%s: no bucket %s: create it first: %w", where, s.bucket, err)
	case code == "NoSuchUpload":
		return errkind.Errorf(errkind.Unavailable, "%s: the multipart upload is gone: %w", where, err)
	case status == http.StatusNotFound:
		return fmt.Errorf("%s: %w", where, ErrNotFound)
	case status == http.StatusPreconditionFailed:
		return fmt.Errorf("%s: %w", where, ErrExists)
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		return errkind.Errorf(errkind.Denied, "%s: %w", where, err)
	case status == http.StatusInsufficientStorage:
		return errkind.Errorf(errkind.Exhausted, "%s: %w", where, err)
	case status == http.StatusBadRequest && code != "RequestTimeout":
		return errkind.Errorf(errkind.Invalid, "%s: %w", where, err)
	}
	return errkind.Errorf(errkind.Unavailable, "%s: %w", where, err)
}
