import { bucketContract } from '../support/bucket-contract.ts';
import { openS3Server } from '../support/s3-server.ts';

bucketContract('a bucket in memory', openS3Server);
